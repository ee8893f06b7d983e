package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger logs to standard error.
func newLogger(format, level string) (*zap.Logger, error) {
	l, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("--log-level %q: use debug, info, warn or error", level)
	}
	c := zap.NewProductionEncoderConfig()
	c.EncodeTime = zapcore.ISO8601TimeEncoder
	c.EncodeLevel = zapcore.LowercaseLevelEncoder
	var enc zapcore.Encoder
	switch format {
	case "console":
		c.ConsoleSeparator = " "
		enc = zapcore.NewConsoleEncoder(c)
	case "json":
		enc = zapcore.NewJSONEncoder(c)
	default:
		return nil, fmt.Errorf("--log-format %q: use console or json", format)
	}
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(os.Stderr), l)), nil
}

// logFiles are the files of charon's filelog section: what the machines tell, by group and level.
type logFiles []*logFile

type logFile struct {
	config.LogFile
	mu sync.Mutex // guards f
	f  *os.File
}

// openLogFiles opens them all; readable by their owner, as they may hold who talks to whom.
func openLogFiles(all []config.LogFile) (logFiles, error) {
	var files logFiles
	for _, c := range all {
		l := &logFile{LogFile: c}
		switch c.Path {
		case "stdout":
			l.f = os.Stdout
		case "stderr":
			l.f = os.Stderr
		default:
			mode := os.O_CREATE | os.O_WRONLY | os.O_APPEND
			if !c.Append {
				mode |= os.O_TRUNC
			}
			f, err := os.OpenFile(c.Path, mode, 0o640)
			if err != nil {
				files.close()
				return nil, fmt.Errorf("%s: filelog: %w", c.Source, err)
			}
			l.f = f
		}
		files = append(files, l)
	}
	return files, nil
}

func (all logFiles) close() {
	for _, l := range all {
		if l.f != os.Stdout && l.f != os.Stderr {
			_ = l.f.Close()
		}
	}
}

// see writes a log line into every file whose levels take it.
func (all logFiles) see(ev goswan.Event) {
	line, ok := ev.What.(core.Log)
	if !ok {
		return
	}
	for _, l := range all {
		if err := l.write(ev.Time, ev.Lineage, line); err != nil && !errors.Is(err, os.ErrClosed) {
			fmt.Fprintf(os.Stderr, "goswan: filelog: %v\n", err)
		}
	}
}

func (l *logFile) write(at time.Time, lineage uint64, line core.Log) error {
	level, ok := l.Levels[strings.ToLower(line.Group)]
	if !ok {
		level = l.Default
	}
	if line.Level > level {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintf(l.f, "%s%02d[%s] %s\n", l.stamp(at), lineage%100, line.Group, line.Text)
	return err
}

// stamp is the time in front of a line, when time_format asks for one.
func (l *logFile) stamp(at time.Time) string {
	if l.TimeFormat == "" {
		return ""
	}
	s := strftime(l.TimeFormat, at)
	switch l.TimePrecision {
	case "ms":
		s += fmt.Sprintf(".%03d", at.Nanosecond()/1e6)
	case "us":
		s += fmt.Sprintf(".%06d", at.Nanosecond()/1e3)
	}
	return s + " "
}

// layouts are the conversions of strftime(3) that Go's time has words for.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'm': "01",
	'M': "04", 'p': "PM", 'S': "05", 'T': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST", 'D': "01/02/06", 'R': "15:04",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'h': "Jan",
}

// strftime formats a time as strftime(3) does; what it does not know stays as it is.
func strftime(format string, at time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch layout, ok := layouts[format[i]]; {
		case ok:
			b.WriteString(at.Format(layout))
		case format[i] == '%':
			b.WriteByte('%')
		case format[i] == 's':
			fmt.Fprint(&b, at.Unix())
		default:
			b.WriteString(format[i-1 : i+1])
		}
	}
	return b.String()
}
