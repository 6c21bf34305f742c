package enginetest

import "unicode"

// printable holds the printable characters of ASCII.
var printable = &unicode.RangeTable{R16: []unicode.Range16{{Lo: ' ', Hi: '~', Stride: 1}}, LatinOffset: 1}
