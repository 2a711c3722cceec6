package hostile

import (
	"encoding/json"
	"fmt"
	"strings"
)

// playChannel plays an input that subscribes: as it is, which nobody answers,
// and once more with an ack id.
func (n *target) playChannel(in input) (string, error) {
	out, err := n.playConnected(in, "")
	if err != nil || out != "open" {
		return out, err
	}
	p, sid, err := n.join("")
	if err != nil {
		return "", err
	}
	defer p.close()
	event := in.text(sid)
	p.text(strings.Replace(event, "42[", "42986[", 1))
	text, err := p.expect("43986[")
	if err != nil {
		return "", err
	}
	var acks []struct {
		OK    bool
		Error struct{ Code string }
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "43986")), &acks); err != nil || len(acks) != 1 {
		return "", fmt.Errorf("the ack is %.200s", text)
	}
	if !acks[0].OK {
		return out + "; asked: " + acks[0].Error.Code, nil
	}
	var args []string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(event, "42")), &args); err != nil || len(args) != 2 {
		return "", fmt.Errorf("%q names no channel: %w", event, err)
	}
	return out + "; asked: ok, and hears " + n.hears(p, args[1]), nil
}

// others are channels that a tag must not reach, though it may look as if.
var others = []string{"a", "private-1", "private-user-1", "private:user-1", "4949", "socket.io-request#/#/", "other"}

// hears publishes to the channel, and to others before it.
func (n *target) hears(p *peer, tag string) string {
	for _, other := range append(others, strings.ToLower(tag)+"x") {
		if err := n.publish(other, []byte(`"to another channel"`)); err != nil {
			return err.Error()
		}
	}
	if err := n.publish(tag, []byte(`"to this one"`)); err != nil {
		return err.Error()
	}
	event, err := p.expect("42[")
	var list []string
	switch {
	case err != nil:
		return err.Error()
	case json.Unmarshal([]byte(event[2:]), &list) != nil || list[0] != tag || list[1] != "to this one":
		return event
	default:
		return "that channel alone"
	}
}
