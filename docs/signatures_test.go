package docs

import (
	"testing"

	"github.com/goswan/goswan/crypto/sig"
)

// signatures are the schemes by which peers authenticate.
func signatures(t *testing.T) section {
	var rows []row
	for _, r := range sig.Schemes {
		var words []string
		if r.Keyword != "" {
			words = []string{r.Keyword}
		}
		rows = append(rows, row{r.Name, r.RFC, number(r.Strength), words, r.Status, false, r.Why, r.Name})
	}
	return section{"Signatures", rows, sources(t, "../crypto/sig")}
}
