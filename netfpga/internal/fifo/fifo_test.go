package fifo

import "testing"

// The queue is compared with a slice while it grows, wraps around and empties.
func TestQueueKeepsOrder(t *testing.T) {
	var q Queue[int]
	var want []int
	next := 0
	for round := range 200 {
		for range round % 37 {
			q.Push(next)
			want = append(want, next)
			next++
		}
		if round%5 == 0 {
			q.Unpop(-round)
			want = append([]int{-round}, want...)
		}
		for range round % 31 {
			if len(want) == 0 {
				break
			}
			if got := q.Pop(); got != want[0] {
				t.Fatalf("round %d: got %d, want %d", round, got, want[0])
			}
			want = want[1:]
		}
		if q.Len() != len(want) {
			t.Fatalf("round %d: length %d, want %d", round, q.Len(), len(want))
		}
	}
}
