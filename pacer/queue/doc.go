// Package queue has the two orders in which things wait: a Ring keeps the one in which they
// came, a Heap that of a key, such as a time. Both grow to what they once held, so that they
// do not allocate in the steady state, and neither is safe for concurrent use. A caller that
// has a bound looks at Len.
//
// Of a million flows whose departures are near each other, package pacer's Wheel is faster
// than a Heap.
package queue
