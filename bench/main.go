// Command bench measures what one delivery costs the stream server, in one
// sitting with the floor, a bare loop of sendto over the same number of
// sockets, and with other servers that do the same work.
//
//	go run .                                                    # all, about 25 minutes
//	go run . --times 1 --clients 1000 --deliveries 50000        # quick
//	go run . --write ../docs                                    # into docs/performance.md
//
// Each subject runs pinned to the first core; the clients, the publisher and
// redis-server run on the second. A figure is the CPU time of the subject's
// process, so that it does not depend on how busy the other core is. Every
// client checks that each message comes once and in order.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// options are the command line.
type options struct {
	server            string
	clients, channels []int
	deliveries, times int
	rate              float64
	paced, idleFor    time.Duration
	subjects          []string
	write             string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	if len(os.Args) == 4 && os.Args[1] == "floor" || len(os.Args) == 3 {
		if served, err := serve(os.Args[1:]); served {
			if err != nil {
				log.Fatal(err)
			}
			return
		}
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	cores, err := pin()
	if err != nil {
		log.Fatal(err)
	}
	runtime.GOMAXPROCS(4) // the thread that waits for the clients keeps nobody else from running
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, cores, os.Stdout); err != nil {
		stop()
		log.Fatal(err)
	}
}

// serve is this program as a subject; the last argument is the Redis.
func serve(args []string) (bool, error) {
	redis := args[len(args)-1]
	switch strings.Join(args[:len(args)-1], " ") {
	case "floor sendto":
		return true, serveFloor(os.Stdin, os.Stdout, true, "")
	case "floor sendto-redis":
		return true, serveFloor(os.Stdin, os.Stdout, true, redis)
	case "floor write":
		return true, serveFloor(os.Stdin, os.Stdout, false, "")
	case "googollee":
		return true, serveGoogollee(redis)
	case "centrifuge":
		return true, serveCentrifuge(redis)
	}
	return false, nil
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.server, "server", "../stream-server", "binary of the stream server")
	clients := flags.String("clients", "5000,19000", "WebSocket clients, one run for each number")
	channels := flags.String("channels", "1,1000", "channels that they are spread over, one run for each number")
	flags.IntVar(&o.deliveries, "deliveries", 200_000, "messages delivered in each phase of a run")
	flags.IntVar(&o.times, "times", 3, "rounds, of which the median counts")
	flags.Float64Var(&o.rate, "rate", 20_000, "deliveries a second at which latency is measured")
	flags.DurationVar(&o.paced, "paced", 3*time.Second, "how long latency is measured")
	flags.DurationVar(&o.idleFor, "idle", idle, "how long clients are idle before memory is measured")
	names := flags.String("subjects", "", "names, such as floor,epoll,socketio; all if empty")
	flags.StringVar(&o.write, "write", "", "folder whose performance.md and performance.svg get the results")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if o.clients, err = numbers(*clients); err != nil {
		return o, err
	}
	if o.channels, err = numbers(*channels); err != nil {
		return o, err
	}
	if *names != "" {
		o.subjects = strings.Split(*names, ",")
	}
	if o.deliveries < 1 || o.times < 1 || o.rate <= 0 {
		return o, fmt.Errorf("--deliveries, --times and --rate: want more than 0")
	}
	return o, o.fits()
}

func numbers(list string) (all []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q: want numbers such as 5000,19000", list)
		}
		all = append(all, n)
	}
	return all, nil
}

// spare is how many descriptors a process needs beside those of its clients.
const spare = 200

// fits reports whether the clients fit into the descriptors of a process.
func (o options) fits() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	for _, n := range o.clients {
		if uint64(n+spare) > limit.Max {
			return fmt.Errorf("%d clients do not fit into %d descriptors: ulimit -n, or --clients", n, limit.Max)
		}
	}
	return nil
}

// pinned is the variable by which this program knows that it is on its core.
const pinned = "BENCH_CORES"

// pin starts this program again on the second core that it may use, unless that
// was done, and returns both. With one core there is nothing to pin.
func pin() ([]int, error) {
	if list := os.Getenv(pinned); list != "" {
		return numbersFrom0(list)
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var cores []int
	for i := 0; len(cores) < 2 && i < 1024; i++ {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	if len(cores) < 2 {
		return cores, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread() // exec keeps what this thread has
	set.Zero()
	set.Set(cores[1])
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return nil, err
	}
	env := append(os.Environ(), fmt.Sprintf("%s=%d,%d", pinned, cores[0], cores[1]))
	return nil, syscall.Exec(self, os.Args, env)
}

func numbersFrom0(list string) (all []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s=%s: %w", pinned, list, err)
		}
		all = append(all, n)
	}
	return all, nil
}
