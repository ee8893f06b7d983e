package report

import (
	"encoding/json"
	"math"
)

// Values has one value for each round. A round in which nothing could be measured has NaN, or null in JSON, so that those of two
// measurements stand beside each other; rounds at the end may be missing altogether.
type Values []float64

// missing stands for the value of a round that has none.
var missing = math.NaN()

// Present are the values that there are.
func (v Values) Present() (present []float64) {
	for _, x := range v {
		if !math.IsNaN(x) {
			present = append(present, x)
		}
	}
	return present
}

// MarshalJSON implements json.Marshaler.
func (v Values) MarshalJSON() ([]byte, error) {
	all := make([]*float64, len(v))
	for i := range v {
		if !math.IsNaN(v[i]) {
			all[i] = &v[i]
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Values) UnmarshalJSON(text []byte) error {
	var all []*float64
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	*v = make(Values, len(all))
	for i, x := range all {
		(*v)[i] = missing
		if x != nil {
			(*v)[i] = *x
		}
	}
	return nil
}
