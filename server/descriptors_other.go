//go:build !linux

package server

// descriptorsShort is for systems on which it is known how to tell.
func descriptorsShort() bool { return false }

func outOfDescriptors(error) bool { return false }
