// Command linearizability judges histories of tags. It reads one operation a line from stdin, as JSON, and writes which tags have a
// history that no order of the operations explains. Porcupine is the judge; here is only the model of a tag.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// An operation on one tag. Calls and returns are times of one clock. A tag that does not exist has the value "".
type operation struct {
	Key    string `json:"key"`
	Client int    `json:"client"`
	// read, list (whether it exists), swap (set or delete it if the condition holds)
	Kind string `json:"kind"`
	// What was read, "" or not "" for list, or what to set.
	Value string `json:"value"`
	// Of a swap: anything, present, absent, one of (Values).
	Condition string   `json:"condition"`
	Values    []string `json:"values"`
	// Of a swap: done, refused (because of the condition), untold (done if the condition held), unknown (no answer).
	Outcome string `json:"outcome"`
	Call    int64  `json:"call"`
	Return  int64  `json:"return"`
}

type verdict struct {
	Operations int      `json:"operations"`
	Tags       int      `json:"tags"`
	Illegal    []string `json:"illegal"`
	Undecided  []string `json:"undecided"`
}

// The time for one tag.
const within = 10 * time.Second

// The state is the tag's value, "" for none.
var tag = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		return step(state.(string), input.(operation))
	},
	Equal: func(a, b any) bool { return a == b },
}

func step(state string, o operation) (bool, any) {
	switch o.Kind {
	case "read":
		return state == o.Value, state
	case "list":
		return (state == "") == (o.Value == ""), state
	case "swap":
		holds := isExpected(state, o)
		if o.Outcome == "done" && !holds || o.Outcome == "refused" && holds {
			return false, state
		}
		if holds {
			return true, o.Value
		}
		return true, state
	}
	panic("an operation of an unknown kind: " + o.Kind)
}

func isExpected(state string, o operation) bool {
	switch o.Condition {
	case "anything":
		return true
	case "present":
		return state != ""
	case "absent":
		return state == ""
	case "one of":
		return state != "" && slices.Contains(o.Values, state)
	}
	panic("a condition of an unknown kind: " + o.Condition)
}

// Runs functions, as many at once as there are processors.
type parallel struct {
	running sync.WaitGroup
	free    chan struct{}
}

func (g *parallel) run(f func()) {
	if g.free == nil {
		g.free = make(chan struct{}, runtime.GOMAXPROCS(0))
	}
	g.free <- struct{}{}
	g.running.Go(func() {
		defer func() { <-g.free }()
		f()
	})
}

func (g *parallel) wait() { g.running.Wait() }

func main() {
	if err := judge(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "linearizability:", err)
		os.Exit(1)
	}
}

func judge(in io.Reader, out io.Writer) error {
	histories := map[string][]porcupine.Operation{}
	result := verdict{Illegal: []string{}, Undecided: []string{}}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		returned := o.Return
		if o.Outcome == "unknown" {
			// It may take effect at any later time, or never.
			returned = math.MaxInt64
		}
		each := porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: returned}
		histories[o.Key] = append(histories[o.Key], each)
		result.Operations++
	}
	if err := lines.Err(); err != nil {
		return err
	}
	result.Tags = len(histories)
	var lock sync.Mutex
	var checks parallel
	for key, history := range histories {
		checks.run(func() {
			decided := porcupine.CheckOperationsTimeout(tag, history, within)
			lock.Lock()
			defer lock.Unlock()
			switch decided {
			case porcupine.Illegal:
				result.Illegal = append(result.Illegal, key)
			case porcupine.Unknown:
				result.Undecided = append(result.Undecided, key)
			}
		})
	}
	checks.wait()
	return json.NewEncoder(out).Encode(result)
}
