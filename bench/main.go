// Command bench measures what one delivery costs the server, in one sitting
// with the floor: a bare loop of sendto over the same number of sockets.
//
//	go run . --server ../stream-server --clients 5000 --channels 1,1000
//
// Each subject runs pinned to the first core, and the clients and the publisher
// to the second. A figure is the CPU time of the subject's process for each
// message delivered, so that it does not depend on how busy the other core is.
// Every client checks that each message comes once and in order.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		if err := serveFloor(os.Stdin, os.Stdout); err != nil {
			log.Fatal("bench: ", err)
		}
		return
	}
	server := flag.String("server", "../stream-server", "binary of the stream server")
	clients := flag.Int("clients", 5000, "WebSocket clients")
	channels := flag.String("channels", "1,1000", "channels that they are spread over, one run for each")
	deliveries := flag.Int("deliveries", 200_000, "messages delivered in each run")
	times := flag.Int("times", 3, "runs of each, of which the median counts")
	flag.Parse()
	if err := pin(); err != nil {
		log.Fatal("bench: ", err)
	}
	if err := run(*server, *clients, *channels, *deliveries, *times); err != nil {
		log.Fatal("bench: ", err)
	}
}

// pinned is the variable by which this program knows that it is on its core.
const pinned = "BENCH_PINNED"

// pin starts this program again on the second core, unless that was done.
func pin() error {
	if os.Getenv(pinned) != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return err
	}
	args := append([]string{taskset, "-c", "1", self}, os.Args[1:]...)
	return syscall.Exec(taskset, args, append(os.Environ(), pinned+"=1"))
}

// A figure is what one run measured.
type figure struct {
	cpu    float64 // µs of the subject for each delivery
	memory float64 // resident bytes for each idle client; 0 for the floor
	setUp  float64 // µs of CPU for each client, until it hears
}

func run(server string, clients int, list string, deliveries, times int) error {
	fmt.Printf("%d clients, %d deliveries, median of %d runs\n\n", clients, deliveries, times)
	fmt.Println("| subject | channels | publishes under way | CPU µs per delivery | ÷ floor | bytes per idle client | CPU µs per connect |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for text := range strings.SplitSeq(list, ",") {
		channels, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		floor, err := median(times, func() (figure, error) { return measure(floorSubject{}, clients, channels, deliveries, 1) })
		if err != nil {
			return err
		}
		fmt.Printf("| floor | %d | 1 | %.2f | 1.00 | | |\n", channels, floor.cpu)
		for _, under := range []int{1, 8} {
			for _, sockets := range []string{"epoll", "goroutine"} {
				subject := streamServer{server, sockets}
				f, err := median(times, func() (figure, error) { return measure(subject, clients, channels, deliveries, under) })
				if err != nil {
					return err
				}
				fmt.Printf("| stream-server, %s | %d | %d | %.2f | %.2f | %.0f | %.0f |\n",
					sockets, channels, under, f.cpu, f.cpu/floor.cpu, f.memory, f.setUp)
			}
		}
	}
	return nil
}

// median is that of each column.
func median(times int, measure func() (figure, error)) (figure, error) {
	var all []figure
	for range times {
		f, err := measure()
		if err != nil {
			return figure{}, err
		}
		all = append(all, f)
	}
	pick := func(of func(figure) float64) float64 {
		var values []float64
		for _, f := range all {
			values = append(values, of(f))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return figure{
		pick(func(f figure) float64 { return f.cpu }),
		pick(func(f figure) float64 { return f.memory }),
		pick(func(f figure) float64 { return f.setUp }),
	}, nil
}
