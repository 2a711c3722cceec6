package server

import (
	"fmt"
	"io"
	"strings"
)

// whyWords is what people read of a verdict. A %s stands for its reason.
var whyWords = map[string]string{
	whySent:          "sent",
	whyWaited:        "sent, after it had waited for a slow connection",
	whyReplayed:      "missed while it was away, and sent when it came back",
	whyDropped:       "not sent: closed as slow, because more waited for it than --client-queue",
	whyNotConnected:  "not sent: it was not connected yet",
	whyNotSubscribed: "not sent: it did not hear this channel",
	whyRefused:       "not sent: it asked to hear this channel and was refused, %s",
	whyRevoked:       "not sent: the channel had been taken from it, %s",
	whyEnded:         "not sent: it had ended, %s",
	whyUnknown:       "not known: that is too long ago for this node",
}

// clockTime is how times stand in the text.
const clockTime = "15:04:05.000"

// Print writes the answer for people, in UTC.
func (r *WhyResult) Print(w io.Writer) {
	for _, a := range r.On {
		if !a.Heard && len(a.Events) == 0 && a.Known == 0 {
			fmt.Fprintf(w, "%s on node %s: nobody hears it there\n", r.Channel, a.Node)
			continue
		}
		state := "and nothing is missed"
		if !a.Live {
			state = "but messages may be missed: the broker is away, or has not confirmed yet"
		}
		fmt.Fprintf(w, "%s on node %s: %d hear it, %s\n", r.Channel, a.Node, a.Sessions, state)
		if a.Earlier || a.Omitted > 0 {
			fmt.Fprintln(w, "  there were older messages")
		}
		for _, m := range a.Messages {
			m.print(w)
		}
		if r.Who != "" && a.Known == 0 {
			fmt.Fprintf(w, "  %s is not known here\n", r.Who)
		}
		if len(a.Events) > 0 {
			fmt.Fprintln(w, "  what happened:")
		}
		for _, e := range a.Events {
			fmt.Fprintf(w, "    %s %s\n", e.At.Format(clockTime), e.text())
		}
	}
	if r.Answered < r.Nodes {
		fmt.Fprintf(w, "%d of %d nodes did not answer\n", r.Nodes-r.Answered, r.Nodes)
	}
	if r.Alone != "" {
		fmt.Fprintf(w, "only one node was asked: %s\n", r.Alone)
	}
}

func (m *whyMessage) print(w io.Writer) {
	by := "PUBLISH"
	if m.By == "stream" {
		by = "XADD"
	}
	fmt.Fprintf(w, "  %s %s, %d B, to %d: ", m.At.Format(clockTime), by, m.Bytes, m.Sessions)
	parts := []string{fmt.Sprintf("%d written", m.Written)}
	if m.Sending {
		parts[0] = "being sent"
	}
	for _, p := range []struct {
		n    int
		what string
	}{{m.Waited, "waited"}, {m.Dropped, "closed as slow"}, {m.Ended, "had gone"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	fmt.Fprintln(w, strings.Join(parts, ", "))
	for _, v := range m.Who {
		fmt.Fprintf(w, "    session %s: %s\n", v.Session, v.text())
	}
}

func (v *verdict) text() string {
	text := whyWords[v.Why]
	if strings.Contains(text, "%s") {
		text = strings.ReplaceAll(text, "%s", v.Reason)
	}
	if v.At != nil && v.Why != whySent && v.Why != whyWaited {
		text += " (" + v.At.Format(clockTime) + ")"
	}
	return text
}

func (e *whyEvent) text() string {
	var b strings.Builder
	if e.Session != "" {
		fmt.Fprintf(&b, "session %s ", e.Session)
	}
	b.WriteString(e.Event)
	if e.Reason != "" {
		fmt.Fprintf(&b, ": %s", e.Reason)
	}
	if e.Replayed > 0 {
		fmt.Fprintf(&b, ", and was replayed %d", e.Replayed)
	}
	return b.String()
}
