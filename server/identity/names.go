package identity

import "encoding/json"

// Names are who somebody is in a channel, by its tag, where the web server gives
// them a name for each.
type Names map[string]Name

// A Name is who somebody is in one channel.
type Name struct {
	ID   string
	Said json.RawMessage // what the web server says of them, an object; compact
}

// In is who this is in a channel.
func (w Who) In(tag string) (name Name, guest bool) {
	if w.Grant != nil && !w.Grant.Ended {
		if name, ok := w.Grant.Names[tag]; ok {
			return name, false
		}
	}
	return Name{ID: w.Member}, w.Guest()
}
