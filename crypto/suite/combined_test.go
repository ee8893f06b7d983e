package suite

import (
	"testing"

	"github.com/goswan/goswan/crypto/encr"
)

// A cipher that can overwrite its key schedule does so with the Cipher that holds it.
func TestWipeReachesTheKeySchedule(t *testing.T) {
	row, _ := encr.Lookup(20)
	c, err := newCombined(row, make([]byte, 16+row.SaltLen))
	if err != nil {
		t.Fatal(err)
	}
	aead := c.(*combined).aead
	if _, wipes := aead.(interface{ Wipe() }); !wipes {
		t.Skip("this processor has the standard library's AES-GCM, which offers no overwriting")
	}
	c.Wipe()
	defer func() {
		if recover() == nil {
			t.Error("the key schedule outlives Wipe")
		}
	}()
	aead.Seal(nil, make([]byte, aead.NonceSize()), nil, nil)
}

func TestWipeReachesTheKeyScheduleOfCBC(t *testing.T) {
	c := newCipher(t, sets(t)[0], 1).(*apart)
	decrypt := c.decrypt
	if _, wipes := decrypt.(interface{ Wipe() }); !wipes {
		t.Skip("this processor has the standard library's AES-CBC, which offers no overwriting")
	}
	c.Wipe()
	defer func() {
		if recover() == nil {
			t.Error("the key schedule outlives Wipe")
		}
	}()
	decrypt.CryptBlocks(make([]byte, 16), make([]byte, 16))
}
