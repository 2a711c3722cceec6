package server

// maxLine is how much of one client may wait for an answer from elsewhere.
const maxLine = 64

// A line is what a client has asked for while something before it waits for
// somebody elsewhere, such as the web server: it is done in the order in which
// it came.
type line struct {
	jobs []func() (waits func())
}

// inLine does f, now or after what is in line already. What f returns may wait,
// and is done in a goroutine of its own; f itself must not. Calls of inLine for
// one client follow each other.
func (c *client) inLine(f func() (waits func())) error {
	c.mu.Lock()
	if l := c.line; l != nil {
		defer c.mu.Unlock()
		if len(l.jobs) == maxLine {
			return &wireError{Code: CodeRateLimited, Message: "too much of this connection waits for an answer"}
		}
		l.jobs = append(l.jobs, f)
		return nil
	}
	c.mu.Unlock()
	waits := f()
	if waits == nil {
		return nil
	}
	c.mu.Lock()
	c.line = &line{}
	c.mu.Unlock()
	go c.work(waits) // ends with the line
	return nil
}

// work does what is in line.
func (c *client) work(waits func()) {
	for {
		if waits != nil {
			waits()
		}
		c.mu.Lock()
		if len(c.line.jobs) == 0 || c.left {
			c.line = nil
			c.mu.Unlock()
			return
		}
		f := c.line.jobs[0]
		c.line.jobs = c.line.jobs[1:]
		c.mu.Unlock()
		waits = f()
	}
}
