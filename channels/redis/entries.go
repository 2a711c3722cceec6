package redis

import (
	"github.com/sb-stream/stream-server/internal/streams"
	"github.com/sb-stream/stream-server/internal/tags"
)

// What is wrong with an entry of a stream.
type fault int

const (
	noFault   fault = iota
	malformed       // it is no message
	oversized       // its data is over the limit
	cut             // it did not come whole, because the reply became too large
)

// An entry is one of a stream. Without a fault it is a message.
type entry struct {
	id    streams.ID
	tag   string
	data  []byte
	size  int64 // of the data, if that is over the limit
	fault fault
}

// Arrivals are the entries of one stream in the answer to XREAD.
type arrivals struct {
	key     string
	entries []entry
}

// readStreams reads the answer to XREAD, in which data of more than limit bytes
// is oversized. What did not come whole is left out from there on, but for the
// first entry, which would never come whole.
func readStreams(reply any, limit int) ([]arrivals, error) {
	if reply == nil { // nothing new in time
		return nil, nil
	}
	list, ok := reply.([]any)
	if !ok {
		return nil, errOutOfStep
	}
	var batches []arrivals
	for i, item := range list {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			if isCut(item) && i > 0 {
				break
			}
			return nil, errOutOfStep
		}
		key, ok := pair[0].([]byte)
		if !ok || isCut(pair[1]) {
			if i > 0 {
				break
			}
			return nil, errOutOfStep
		}
		entries, err := readEntries(pair[1], limit, i == 0)
		if err != nil {
			return nil, err
		}
		batches = append(batches, arrivals{string(key), entries})
	}
	return batches, nil
}

// readEntries reads a list of entries, as XRANGE answers it. First says that the
// reply begins with it.
func readEntries(reply any, limit int, first bool) ([]entry, error) {
	list, ok := reply.([]any)
	if !ok {
		return nil, errOutOfStep
	}
	entries := make([]entry, 0, len(list))
	for i, item := range list {
		e, err := readEntry(item, limit)
		if err != nil {
			return nil, err
		}
		if e.fault == cut {
			if i > 0 || !first || e.id.IsZero() {
				break
			}
			e.fault = oversized
		}
		entries = append(entries, e)
	}
	if len(list) > 0 && len(entries) == 0 && first {
		return nil, errOutOfStep // else it would be asked for again and again
	}
	return entries, nil
}

func readEntry(item any, limit int) (entry, error) {
	if isCut(item) {
		return entry{fault: cut}, nil
	}
	pair, _ := item.([]any)
	if len(pair) != 2 {
		return entry{}, errOutOfStep
	}
	if isCut(pair[0]) {
		return entry{fault: cut}, nil
	}
	text, _ := pair[0].([]byte)
	id, err := streams.Parse(string(text))
	if err != nil || id.IsZero() {
		return entry{}, errOutOfStep
	}
	e := entry{id: id, fault: malformed}
	switch fields := pair[1].(type) {
	case []any:
		e.take(fields, limit)
	case int64: // too many fields, or too late in the reply
		if fields <= maxFields {
			e.fault = cut
		}
	default:
		return entry{}, errOutOfStep
	}
	return e, nil
}

// maxFields is how many fields and values together may come of an entry.
const maxFields = 4 << 10

// take finds the two fields of a message among all; of one that comes twice the
// first counts.
func (e *entry) take(fields []any, limit int) {
	var channel, data any
	incomplete := false
	for i := 0; i+1 < len(fields); i += 2 {
		name, ok := fields[i].([]byte)
		incomplete = incomplete || !ok
		switch {
		case string(name) == streams.FieldChannel && channel == nil:
			channel = fields[i+1]
		case string(name) == streams.FieldData && data == nil:
			data = fields[i+1]
		}
	}
	if tag, ok := channel.([]byte); ok && tags.Check(string(tag)) == nil {
		e.tag = string(tag)
	}
	switch content := data.(type) {
	case []byte:
		e.data, e.size = content, int64(len(content))
	case int64: // what redisnet.DialStreams makes of it
		e.size = content
		incomplete = incomplete || content <= int64(limit)
	}
	switch {
	case e.size > int64(limit) && e.tag != "":
		e.fault, e.data = oversized, nil
	case e.tag != "" && e.data != nil:
		e.fault = noFault
	case incomplete || isCut(channel):
		e.fault = cut
	}
}

// isCut reports whether there is an integer in the place of something that was
// too large.
func isCut(v any) bool {
	_, ok := v.(int64)
	return ok
}

// readInfo reads the answer to XINFO STREAM.
func readInfo(reply any) (streamInfo, error) {
	list, _ := reply.([]any)
	info := streamInfo{length: unknown, added: unknown}
	var err error
	for i := 0; i+1 < len(list) && err == nil; i += 2 {
		name, _ := list[i].([]byte)
		switch value := list[i+1].(type) {
		case int64:
			switch string(name) {
			case "length":
				info.length = value
			case "entries-added":
				info.added = value
			}
		case []byte:
			if string(name) == "last-generated-id" {
				info.last, err = streams.Parse(string(value))
			}
		case []any:
			if string(name) == "first-entry" && len(value) > 0 {
				id, _ := value[0].([]byte)
				info.first, err = streams.Parse(string(id))
			}
		}
	}
	if err != nil || info.length < 0 {
		return streamInfo{}, errOutOfStep
	}
	return info, nil
}
