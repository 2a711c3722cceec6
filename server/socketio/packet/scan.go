package packet

// What is in this file steps over JSON that checkJSON has passed. Given
// anything else it stays within its bounds and means nothing.

// space steps over white space from i.
func space(p []byte, i int) int {
	for i < len(p) && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r') {
		i++
	}
	return i
}

// stringEnd is where the string that starts at i ends, after its quote.
func stringEnd(p []byte, i int) int {
	for i++; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(p)
}

// valueEnd is where the value that starts at i ends.
func valueEnd(p []byte, i int) int {
	for depth := 0; i < len(p); {
		switch p[i] {
		case '"':
			i = stringEnd(p, i)
			if depth == 0 {
				return i
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// An elements walks the values of an array.
type elements struct {
	p []byte
	i int // before the next element: at the bracket or the comma
}

// elementsOf is not ok if p is no array.
func elementsOf(p []byte) (e elements, ok bool) {
	i := space(p, 0)
	return elements{p, i}, i < len(p) && p[i] == '['
}

// next is the next element, or false after the last.
func (e *elements) next() (value []byte, ok bool) {
	if e.i >= len(e.p) || e.p[e.i] == ']' {
		return nil, false
	}
	start := space(e.p, e.i+1)
	end := valueEnd(e.p, start)
	e.i = space(e.p, end)
	return e.p[start:end:end], start < end
}
