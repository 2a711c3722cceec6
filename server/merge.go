package server

import (
	"cmp"
	"encoding/json"
	"slices"
)

// A pageOf is a part of a list that every node has a share of, in ascending order.
type pageOf[T any] struct {
	Items []T  `json:"items"`
	More  bool `json:"more,omitempty"` // there are others behind the last
}

// newPage is the first of the items, at most limit, whose JSON is of at most
// room bytes together; always one, if there is one.
func newPage[T any](items []T, limit, room int) pageOf[T] {
	room -= len(`{"items":[],"more":true}`)
	n := 0
	for n < min(limit, len(items)) {
		if room -= sizeOf(items[n]) + 1; room < 0 && n > 0 {
			break
		}
		n++
	}
	return pageOf[T]{Items: items[:n], More: n < len(items)}
}

// sizeOf is how many bytes of JSON v has.
func sizeOf(v any) int {
	data, err := encodeNode(v)
	if err != nil {
		panic("server: " + err.Error()) // ours always encode
	}
	return len(data)
}

// mergePages makes one page of those of the nodes. Items of the same key become
// one by add. next is the key that the next page comes after; empty
// if there is none.
func mergePages[T any](pages []pageOf[T], limit int, key func(T) string, add func(a, b T) T) (items []T, next string) {
	items = []T{}
	end, more := "", false // behind end, a node may have items that it has not sent
	for _, p := range pages {
		if items = append(items, p.Items...); p.More && len(p.Items) > 0 {
			if last := key(p.Items[len(p.Items)-1]); !more || last < end {
				end, more = last, true
			}
		}
	}
	slices.SortStableFunc(items, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	merged := items[:0]
	for _, item := range items {
		last := len(merged) - 1
		switch {
		case last >= 0 && key(merged[last]) == key(item):
			merged[last] = add(merged[last], item)
		case len(merged) == limit, more && key(item) > end:
			return merged, key(merged[last])
		default:
			merged = append(merged, item)
		}
	}
	if more {
		next = end
	}
	return merged, next
}

// decodeAll reads the answers of nodes. One that is none is left out.
func decodeAll[A any](answers []json.RawMessage) []A {
	list := make([]A, 0, len(answers))
	for _, answer := range answers {
		var a A
		if json.Unmarshal(answer, &a) == nil {
			list = append(list, a)
		}
	}
	return list
}
