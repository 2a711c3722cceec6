// Package doctor looks at a running stream server from outside, through the
// address that browsers use, and says what is in their way and how to mend it.
//
// [Run] makes one visit: a [Finding] for each check, in an order in which those
// that others stand on come first. A check whose ground is missing is skipped
// and says so, so that one fault is one failure. Each has a deadline, and what a
// server answers is read to a limit and quoted: a visit ends, whoever is there.
//
// It changes nothing. It opens a few sessions, hears one channel, and publishes
// one message to it, if it was given a way to. Keys go only to a server that has
// shown who it is, where there is TLS to show it by.
package doctor
