package stack

import (
	"sync"
	"sync/atomic"
	"testing"
)

// What is raised is run, in order, and once for any number of times before it is; what raises
// from within is run as well.
func TestSoftirq(t *testing.T) {
	var asked int
	q := &softirq{soon: func() { asked++ }}
	var ran []int
	var tasks [3]*task
	for i := range tasks {
		tasks[i] = &task{run: func() { ran = append(ran, i) }}
	}
	again := &task{run: func() { ran = append(ran, 9); q.raise(tasks[0]) }}
	for range 2 {
		for _, t := range tasks {
			q.raise(t)
		}
	}
	q.raise(again)
	if asked != 1 {
		t.Errorf("run was asked for %d times", asked)
	}
	q.run()
	want := []int{0, 1, 2, 9}
	if asked != 2 { // by the one from within
		t.Errorf("run was asked for %d times", asked)
	}
	q.run()
	if want = append(want, 0); len(ran) != len(want) {
		t.Fatalf("ran %v", ran)
	}
	for i := range want {
		if ran[i] != want[i] {
			t.Errorf("ran %v, want %v", ran, want)
			break
		}
	}
	for _, k := range tasks {
		if k.next != nil {
			t.Error("a task keeps others in memory")
		}
	}
}

// In real time any goroutine raises, and each task is run after it was raised last.
func TestSoftirqFromManyGoroutines(t *testing.T) {
	q := newSoftirq(&Host{})
	const each = 1000
	var all, seen sync.WaitGroup
	for range 4 {
		var raised atomic.Int64
		var once sync.Once
		seen.Add(1)
		k := &task{run: func() {
			if raised.Load() == each {
				once.Do(seen.Done)
			}
		}}
		all.Go(func() {
			for range each {
				raised.Add(1)
				q.raise(k)
			}
		})
	}
	all.Wait()
	seen.Wait()
	q.close()
	q.raise(&task{run: func() { t.Error("a task is run by a softirq that is closed") }})
}
