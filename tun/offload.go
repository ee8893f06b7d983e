package tun

// Offload says whether a device gives and takes super-packets and packets whose checksum is unfinished. A device
// without offload gives and takes single complete packets only: its Write refuses any other.
func Offload(d Device) bool {
	o, ok := d.(interface{ Offload() bool })
	return ok && o.Offload()
}
