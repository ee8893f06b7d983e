package engine

import (
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun/packet"
)

// maxWagons is the most trains that are gathered.
const maxWagons = 16

// load is the trains that a sender gathers before it sends them together: where packets of several SAs, outer TOS octets or
// sizes interleave, each kind has a train. Those of one SA are in the order of its sequence numbers, and leave in it.
type load struct {
	wagons [maxWagons]wagon
	n      int

	trains [maxWagons]*packet.Train // for send
	errs   [maxWagons]error
}

// wagon is one train of a load, and its SA.
type wagon struct {
	sa    *esp.Outbound
	train *packet.Train
	took  bool // the SA is held since this train began
}

// find is the last train of sa, if it has the outer TOS octet tos; held tells that sa has any. A train before the last takes no
// more: it would go out before a packet of a smaller number.
func (x *load) find(sa *esp.Outbound, tos uint8) (w *wagon, held bool) {
	for i := x.n - 1; i >= 0; i-- {
		if w := &x.wagons[i]; w.sa == sa {
			if w.train.TOS != tos {
				return nil, true
			}
			return w, true
		}
	}
	return nil, false
}

// full says that no further train may be begun: there is no room, or the octets of a whole train are there, which are not to wait.
func (x *load) full() bool {
	if x.n == maxWagons {
		return true
	}
	octets := 0
	for i := range x.wagons[:x.n] {
		octets += x.wagons[i].train.Len
	}
	return octets >= packet.MaxTrain/2
}

// next is where the next train is; add makes it one. Its buffer is made when it is first needed.
func (x *load) next() *wagon {
	w := &x.wagons[x.n]
	if w.train == nil {
		w.train = packet.NewTrain()
	}
	return w
}

// add takes what next gave for a train of sa; took tells that sa was taken for it.
func (x *load) add(sa *esp.Outbound, took bool) {
	x.wagons[x.n].sa, x.wagons[x.n].took = sa, took
	x.n++
}

// send sends the trains in their order; errs says what became of each.
func (x *load) send(t encap.Transport) {
	n := 0
	for i := range x.wagons[:x.n] {
		x.trains[i] = x.wagons[i].train
		n = i + 1
	}
	if batch, ok := t.(encap.Batch); ok && n > 1 {
		batch.WriteBatch(x.trains[:n], x.errs[:n])
		return
	}
	for i, train := range x.trains[:n] {
		if x.errs[i] = nil; train.Count() > 0 {
			x.errs[i] = t.Write(train)
		}
	}
}

// clear empties the load when its SAs are given back.
func (x *load) clear() {
	for i := range x.wagons[:x.n] {
		x.wagons[i].train.Reset()
		x.wagons[i].sa, x.errs[i] = nil, nil
	}
	x.n = 0
}
