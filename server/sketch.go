package server

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
)

// A sketch counts members that may be on several nodes, of whom each is to
// count once. It holds hashes of them: all, or the smallest, which say how dense
// the rest is (k minimum values: off by about 1/√k).
type sketch struct {
	Members int    `json:"members"` // on this node, exactly
	Hashes  []byte `json:"hashes"`  // ascending, of 8 bytes each
}

// maxHashes is k: 1.6 %, and 44 KB on the wire.
const maxHashes = 4096

// hashMember is where a member stands among all that there could be.
func hashMember(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// newSketch takes the hash of each session's member, and keeps most of them.
func newSketch(hashes []uint64, most int) sketch {
	slices.Sort(hashes)
	hashes = slices.Compact(hashes)
	s := sketch{Members: len(hashes)}
	for _, h := range hashes[:min(most, len(hashes))] {
		s.Hashes = binary.BigEndian.AppendUint64(s.Hashes, h)
	}
	return s
}

// countMembers is how many members the sketches are of together, and whether
// that is exact: it is unless members are on several nodes and there are too
// many of them to name.
func countMembers(sketches []sketch) (n int, exact bool) {
	var all []uint64
	least, most, nodes := 0, 0, 0
	complete := uint64(math.MaxUint64) // up to here, every hash is known
	for _, s := range sketches {
		if s.Members == 0 {
			continue
		}
		known := len(s.Hashes) / 8
		for i := range known {
			all = append(all, binary.BigEndian.Uint64(s.Hashes[8*i:]))
		}
		if known < s.Members {
			if known == 0 {
				complete = 0
			} else {
				complete = min(complete, all[len(all)-1])
			}
		}
		least, most, nodes = max(least, s.Members), most+s.Members, nodes+1
	}
	if nodes <= 1 {
		return least, true
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if complete == math.MaxUint64 {
		return len(all), true
	}
	within, _ := slices.BinarySearch(all, complete)
	estimate := float64(within) / (float64(complete) / math.MaxUint64)
	if math.IsNaN(estimate) {
		estimate = 0
	}
	return int(min(max(estimate, float64(least)), float64(most))), false
}
