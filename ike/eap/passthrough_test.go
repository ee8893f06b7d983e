package eap_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/eap/eaptest"
)

// response is a peer's answer to a Request.
func response(t *testing.T, request []byte, typ eap.Type, data string) []byte {
	t.Helper()
	return eap.Packet{Code: eap.CodeResponse, Identifier: parse(t, request).Identifier, Type: typ, Data: []byte(data)}.AppendTo(nil)
}

// asking is a pass-through authenticator that has asked about a peer's identity.
func asking(t *testing.T) (*eap.PassThrough, eap.Question) {
	t.Helper()
	m := eap.NewPassThrough(eap.PassThroughConfig{})
	step := m.Receive(eaptest.Now, response(t, m.Start().Send, eap.TypeIdentity, user))
	if step.Ask == nil || step.Ask.Identity != user || parse(t, step.Ask.Packet).Type != eap.TypeIdentity || step.Ask.State != nil {
		t.Fatalf("an identity is answered with %+v, want a question about it", step)
	}
	return m, *step.Ask
}

var challenge = eap.Packet{Code: eap.CodeRequest, Identifier: 9, Type: eap.TypeMD5, Data: []byte{1, 2}}.AppendTo(nil)

func TestPassThrough(t *testing.T) {
	m, _ := asking(t)
	step := m.Answer(eap.Answer{Verdict: eap.Challenge, Packet: challenge, State: []byte("s")}, nil)
	if !bytes.Equal(step.Send, challenge) {
		t.Fatalf("a challenge is answered with %+v", step)
	}
	step = m.Receive(eaptest.Now, response(t, challenge, eap.TypeMD5, "\x01\x03"))
	if step.Ask == nil || string(step.Ask.State) != "s" || step.Ask.Identity != user {
		t.Fatalf("the peer's response is answered with %+v", step)
	}
	success := eap.Packet{Code: eap.CodeSuccess, Identifier: 9}.AppendTo(nil)
	msk := bytes.Repeat([]byte{7}, 64)
	step = m.Answer(eap.Answer{Verdict: eap.Accept, Packet: success, MSK: msk, Grant: eap.Grant{Identity: "alice@example.com", Filters: []string{"f"}}}, nil)
	if !bytes.Equal(step.Send, success) || step.Done == nil || step.Done.Err != nil || step.Done.Identity != "alice@example.com" ||
		!step.Done.MSK.Equal(msk) || len(step.Done.Grant.Filters) != 1 {
		t.Errorf("an Accept is answered with %+v", step)
	}
	if step := m.Receive(eaptest.Now, response(t, challenge, eap.TypeMD5, "")); step.Discarded == nil || step.Discarded.Kind != eap.Finished {
		t.Errorf("a packet after the end is answered with %+v", step)
	}
	if step := m.Answer(eap.Answer{Verdict: eap.Accept}, nil); step.Discarded == nil || step.Done != nil {
		t.Errorf("an answer after the end is answered with %+v", step)
	}
}

func TestPassThroughIdentityKnown(t *testing.T) {
	step := eap.NewPassThrough(eap.PassThroughConfig{Identity: user}).Start()
	if step.Ask == nil || step.Send != nil || string(parse(t, step.Ask.Packet).Data) != user {
		t.Errorf("with a known identity the first step is %+v, want a question", step)
	}
}

// TestPassThroughVerdicts has what a backend may say, and what of it reaches the peer.
func TestPassThroughVerdicts(t *testing.T) {
	packet := func(code eap.Code) []byte {
		return eap.Packet{Code: code, Identifier: 3, Type: eap.TypeMD5}.AppendTo(nil)
	}
	for _, tc := range []struct {
		name   string
		answer eap.Answer
		err    error
		kind   eap.Kind // "": success
		sends  eap.Code // 0: nothing
	}{
		{"Accept", eap.Answer{Verdict: eap.Accept, Packet: packet(eap.CodeSuccess)}, nil, "", eap.CodeSuccess},
		{"Accept without a packet", eap.Answer{Verdict: eap.Accept}, nil, "", eap.CodeSuccess},
		{"Reject", eap.Answer{Verdict: eap.Reject, Packet: packet(eap.CodeFailure)}, nil, eap.Refused, eap.CodeFailure},
		{"Reject without a packet", eap.Answer{Verdict: eap.Reject, Text: "no"}, nil, eap.Refused, eap.CodeFailure},
		{"Accept with Failure", eap.Answer{Verdict: eap.Accept, Packet: packet(eap.CodeFailure)}, nil, eap.BackendFailed, 0},
		{"Accept with a Request", eap.Answer{Verdict: eap.Accept, Packet: packet(eap.CodeRequest)}, nil, eap.BackendFailed, 0},
		{"Reject with Success", eap.Answer{Verdict: eap.Reject, Packet: packet(eap.CodeSuccess)}, nil, eap.BackendFailed, 0},
		{"Challenge with Success", eap.Answer{Verdict: eap.Challenge, Packet: packet(eap.CodeSuccess)}, nil, eap.BackendFailed, 0},
		{"Challenge with a Response", eap.Answer{Verdict: eap.Challenge, Packet: packet(eap.CodeResponse)}, nil, eap.BackendFailed, 0},
		{"Challenge without a packet", eap.Answer{Verdict: eap.Challenge}, nil, eap.BackendFailed, 0},
		{"Challenge with garbage", eap.Answer{Verdict: eap.Challenge, Packet: []byte("garbage")}, nil, eap.BackendFailed, 0},
		{"no verdict", eap.Answer{Packet: packet(eap.CodeSuccess)}, nil, eap.BackendFailed, 0},
		{"no answer", eap.Answer{}, errors.New("silence"), eap.BackendFailed, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, _ := asking(t)
			tc.answer.MSK = secret.Bytes{1, 2, 3}
			step := m.Answer(tc.answer, tc.err)
			if step.Done == nil {
				t.Fatalf("there is no end: %+v", step)
			}
			if tc.kind == "" && step.Done.Err != nil || tc.kind != "" && (step.Done.Err == nil || step.Done.Err.Kind != tc.kind || step.Done.MSK != nil) {
				t.Errorf("the end is %v, want %q", step.Done.Err, tc.kind)
			}
			if (step.Send == nil) != (tc.sends == 0) || step.Send != nil && parse(t, step.Send).Code != tc.sends {
				t.Errorf("the peer is sent %x, want code %d", step.Send, tc.sends)
			}
			if tc.kind == eap.BackendFailed && tc.err == nil && !tc.answer.MSK.Equal(secret.Bytes{0, 0, 0}) {
				t.Error("the keys of an answer that is not believed are kept")
			}
		})
	}
}

func TestPassThroughDiscards(t *testing.T) {
	m := eap.NewPassThrough(eap.PassThroughConfig{MaxRounds: 6})
	request := m.Start().Send
	for name, octets := range map[string][]byte{
		"garbage":            []byte("garbage"),
		"a Request":          request,
		"another identifier": eap.Packet{Code: eap.CodeResponse, Identifier: request[1] + 1, Type: eap.TypeIdentity}.AppendTo(nil),
		"no identity":        response(t, request, eap.TypeMD5, "x"),
		"a long identity":    response(t, request, eap.TypeIdentity, string(make([]byte, 600))),
	} {
		if step := m.Receive(eaptest.Now, octets); step.Discarded == nil || !bytes.Equal(step.Send, request) || step.Ask != nil {
			t.Errorf("%s is answered with %+v, want the Request again", name, step)
		}
	}
	if step := m.Receive(eaptest.Now, response(t, request, eap.TypeIdentity, user)); step.Ask == nil {
		t.Fatalf("after all that an identity is answered with %+v", step)
	}
	if step := m.Receive(eaptest.Now, response(t, request, eap.TypeIdentity, user)); step.Discarded == nil || step.Ask != nil {
		t.Errorf("a second packet while a question is open is answered with %+v", step)
	}
	m.Answer(eap.Answer{Verdict: eap.Challenge, Packet: challenge}, nil)
	step := m.Receive(eaptest.Now, response(t, challenge, eap.TypeMD5, "x"))
	wantFailure(t, "pass-through authenticator", step.Done, eap.TooLong)
}

// FuzzPassThrough feeds peer's packets and backend's answers in any order.
func FuzzPassThrough(f *testing.F) {
	f.Add([]byte{0, 8, 2, 0, 0, 8, 1, 'b', 'o', 'b', 1, 6, 1, 9, 0, 6, 4, 0})
	f.Add([]byte{0, 8, 2, 0, 0, 8, 1, 'b', 'o', 'b', 2, 4, 3, 9, 0, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := eap.NewPassThrough(eap.PassThroughConfig{MaxRounds: 20})
		m.Start()
		open := false
		for len(b) > 1 {
			kind, n := b[0], min(int(b[1]), len(b)-2)
			octets := b[2 : 2+n]
			var step eap.Step
			if kind == 0 {
				step = m.Receive(eaptest.Now, octets)
			} else {
				step = m.Answer(eap.Answer{Verdict: eap.Verdict(kind), Packet: octets}, nil)
				if step.Done != nil && step.Done.Err == nil && (!open || kind != byte(eap.Accept)) {
					t.Fatal("success without an Accept to a question")
				}
				open = open && step.Discarded != nil
			}
			open = open || step.Ask != nil
			if step.Send == nil && step.Done == nil && step.Ask == nil && step.Discarded == nil {
				t.Fatal("there is no answer")
			}
			b = b[2+n:]
		}
	})
}
