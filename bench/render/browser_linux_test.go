package render

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goswan/goswan/tun/tuntest/need"
)

// browserNames are what the browser is called; Debian's package is chromium.
var browserNames = []string{"chromium", "chromium-browser", "google-chrome"}

// findBrowser finds the browser, or ends the test (package need).
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range browserNames {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need.Lacking(t, "no browser has seen the page: it needs the Debian package chromium, which `make tools` installs")
	return ""
}

// browser is one that is spoken to by the DevTools protocol, over pipes.
type browser struct {
	to      *os.File
	from    *bufio.Reader
	id      int
	session string
	events  []message
}

// message is one of the protocol, either way.
type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Params    any             `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// startBrowser starts one with nothing of the user's, which ends with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, findBrowser(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	// It has children of its own, which end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	theirIn, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // its descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		// Its children are gone a moment later, and then write no more into the directory that is removed next.
		for n := 0; n < 100 && syscall.Kill(-cmd.Process.Pid, 0) == nil; n++ {
			time.Sleep(20 * time.Millisecond)
		}
		_, _ = to.Close(), from.Close()
	})
	return &browser{to: to, from: bufio.NewReader(from)}
}

// call calls a method and waits for its result. Events that come meanwhile are kept.
func (b *browser) call(t *testing.T, method string, params map[string]any, result any) {
	t.Helper()
	b.id++
	text, err := json.Marshal(message{ID: b.id, Method: method, SessionID: b.session, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		t.Fatalf("%s: the browser is gone: %v", method, err)
	}
	for {
		m := b.read(t)
		if m.ID != b.id {
			b.events = append(b.events, m)
			continue
		}
		if m.Error != nil {
			t.Fatalf("%s: %s", method, m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

func (b *browser) read(t *testing.T) (m message) {
	t.Helper()
	text, err := b.from.ReadBytes(0)
	if err != nil {
		t.Fatalf("the browser says nothing more: %v", err)
	}
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// open opens a page in a tab of its own, so many pixels wide, and waits until it is loaded.
func (b *browser) open(t *testing.T, address string, width int, scheme string) {
	t.Helper()
	b.session, b.events = "", nil
	var target struct{ TargetID string }
	b.call(t, "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(t, domain+".enable", nil, nil)
	}
	b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.call(t, "Page.navigate", map[string]any{"url": address}, nil)
	for !b.happened("Page.loadEventFired") {
		b.events = append(b.events, b.read(t))
	}
}

func (b *browser) happened(method string) bool {
	for _, e := range b.events {
		if e.Method == method {
			return true
		}
	}
	return false
}

// evaluate is the value of an expression in the page.
func (b *browser) evaluate(t *testing.T, expression string) (value any) {
	t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	b.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		t.Fatalf("%s: %v", expression, got.ExceptionDetails)
	}
	return got.Result.Value
}

// complaints are what the console, or the network, has of the page.
func (b *browser) complaints() (all []string) {
	for _, e := range b.events {
		params := fmt.Sprint(e.Params)
		switch e.Method {
		case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening":
			all = append(all, e.Method+": "+params)
		case "Network.requestWillBeSent":
			request, _ := e.Params.(map[string]any)["request"].(map[string]any)
			if u, _ := request["url"].(string); !strings.HasPrefix(u, "file:") && !strings.HasPrefix(u, "data:") && u != "about:blank" {
				all = append(all, "it loads "+u)
			}
		}
	}
	return all
}

// pageFile writes a page where a browser can open it.
func pageFile(t *testing.T, name string, p *Page) (address string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.HTML(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// TestBrowser shows the pages of every kind of run, and of a hostile one, to a browser: on a telephone and a desktop, light and dark.
// It has nothing to complain about, loads nothing else, shows every plot in its width, and the page does not scroll sideways.
func TestBrowser(t *testing.T) {
	b := startBrowser(t)
	runs := sampleRuns()
	runs["hostile"] = hostileRun(hostile[1] + hostile[0] + hostile[2])
	runs["long"] = hostileRun(strings.Repeat("long", 1000))
	for name, run := range runs {
		page := OfRun(run)
		address := pageFile(t, name, page)
		for _, screen := range []struct {
			width  int
			scheme string
			paper  string
		}{{360, "dark", "rgb(20, 24, 29)"}, {1280, "light", "rgb(255, 255, 255)"}} {
			b.open(t, address, screen.width, screen.scheme)
			for _, complaint := range b.complaints() {
				t.Errorf("%s, %d pixels wide: %s", name, screen.width, complaint)
			}
			if got := b.evaluate(t, "document.querySelectorAll('figure > svg[role=img] > title').length"); got != float64(page.plots) {
				t.Errorf("%s: the browser has %v plots, want %d", name, got, page.plots)
			}
			if got := b.evaluate(t, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); got != 0. {
				t.Errorf("%s: the page is %v pixels wider than a screen of %d", name, got, screen.width)
			}
			if got := b.evaluate(t, "[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width < 250 || s.getBoundingClientRect().height < 50).length"); got != 0. {
				t.Errorf("%s: %v plots have no size on a screen of %d", name, got, screen.width)
			}
			if got := b.evaluate(t, "getComputedStyle(document.body).backgroundColor"); got != screen.paper {
				t.Errorf("%s: in the %s scheme the paper is %v, want %s", name, screen.scheme, got, screen.paper)
			}
			if name != "hostile" { // where signs are of widths that fonts agree on least
				b.checkTexts(t, name)
			}
		}
	}
}

// checkTexts reports texts of plots that reach beyond their image, where the font is the one that is measured with, or narrower.
func (b *browser) checkTexts(t *testing.T, name string) {
	t.Helper()
	got := b.evaluate(t, `JSON.stringify([...document.querySelectorAll('svg text')].filter(x => {
		const a = x.getBoundingClientRect(), b = x.ownerSVGElement.getBoundingClientRect();
		return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1;
	}).map(x => x.textContent.slice(0, 60)).slice(0, 5))`)
	if got != "[]" {
		t.Errorf("%s: texts reach beyond their plots: %v", name, got)
	}
}

// TestBrowserPrints: on paper there is no control, the colours are light, and every section begins a page.
func TestBrowserPrints(t *testing.T) {
	b := startBrowser(t)
	page := OfRun(ikeRun())
	b.open(t, pageFile(t, "print", page), 800, "dark")
	b.call(t, "Emulation.setEmulatedMedia", map[string]any{"media": "print", "features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	for expression, want := range map[string]any{
		"getComputedStyle(document.body).backgroundColor":                    "rgb(255, 255, 255)",
		"getComputedStyle(document.querySelector('nav')).display":            "none",
		"getComputedStyle(document.querySelector('#section-2')).breakBefore": "page",
		"getComputedStyle(document.querySelector('figure')).breakInside":     "avoid",
		"getComputedStyle(document.querySelector('.box')).overflowX":         "visible",
		"getComputedStyle(document.querySelector('svg .t')).fill":            "rgb(27, 31, 36)",
		"document.querySelectorAll('section[id]').length":                    float64(len(page.sections)),
		"document.querySelectorAll('script, button, input, details').length": 0.,
	} {
		if got := b.evaluate(t, expression); got != want {
			t.Errorf("on paper %s is %v, want %v", expression, got, want)
		}
	}
}
