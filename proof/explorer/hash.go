package explorer

// digest is a running FNV-1a hash. States are compared by it: with a million of
// them, two different ones share a digest with a chance of one to 40 million.
type digest uint64

const start digest = 14695981039346656037

func (d digest) add(texts ...string) digest {
	for _, text := range texts {
		for i := range len(text) {
			d = (d ^ digest(text[i])) * 1099511628211
		}
		d = (d ^ 0xff) * 1099511628211 // so that "ab","c" differs from "a","bc"
	}
	return d
}

func (d digest) number(n uint64) digest {
	for range 8 {
		d = (d ^ digest(n&0xff)) * 1099511628211
		n >>= 8
	}
	return d
}

func (d digest) flag(flags ...bool) digest {
	for _, f := range flags {
		b := digest(0)
		if f {
			b = 1
		}
		d = (d ^ b) * 1099511628211
	}
	return d
}
