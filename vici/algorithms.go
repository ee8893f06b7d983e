package vici

import (
	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/suite"
)

// provider stands where charon names the plugin that has the algorithm.
const provider = "goswan"

// getAlgorithms lists the rows of the crypto tables that can be negotiated. Sections and their order: vici_query.c,
// get_algorithms; those of which this daemon has no table are empty.
func getAlgorithms(*call) *Message {
	m := &Message{}
	encryption, integrity, aead := m.AddSection("encryption"), m.AddSection("integrity"), m.AddSection("aead")
	m.AddSection("hasher")
	pseudo := m.AddSection("prf")
	for _, name := range []string{"xof", "kdf", "drbg"} {
		m.AddSection(name)
	}
	exchange := m.AddSection("ke")
	m.AddSection("rng")
	m.AddSection("nonce-gen")
	for _, row := range encr.Transforms {
		section := encryption
		if row.AEAD {
			section = aead
		}
		addAlgorithm(section, suite.ENCR, row.ID, row.Status.Usable())
	}
	for _, row := range integ.Transforms {
		addAlgorithm(integrity, suite.INTEG, row.ID, row.Status.Usable())
	}
	for _, row := range prf.Transforms {
		addAlgorithm(pseudo, suite.PRF, row.ID, row.Status.Usable())
	}
	for _, row := range ke.Transforms {
		addAlgorithm(exchange, suite.KE, row.ID, row.Status.Usable())
	}
	return m
}

func addAlgorithm(m *Message, kind suite.TransformType, id uint16, usable bool) {
	if usable {
		m.Add(suite.Transform{Type: kind, ID: id}.String(), provider)
	}
}
