package pacer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"time"
)

// A Step is the rate that a Schedule has from a time on.
type Step struct {
	At            time.Duration // since the schedule's start
	BitsPerSecond int64         // 0 is a pause: nothing that counts leaves
}

// MaxSteps is how many steps a Schedule has at most.
const MaxSteps = 1 << 16

// checkSteps returns an error if the steps, repeated after the period, are no schedule.
func checkSteps(list []Step, period time.Duration) error {
	if len(list) > MaxSteps {
		return fmt.Errorf("a schedule of %d steps is too long, %d are possible", len(list), MaxSteps)
	}
	for i, step := range list {
		if err := step.follows(list[:i]); err != nil {
			return fmt.Errorf("step %d of the schedule: %w", i+1, err)
		}
	}
	if err := complete(list, period); err != nil {
		return fmt.Errorf("the schedule %w", err)
	}
	return nil
}

// follows returns an error if the step cannot stand behind the list.
func (s Step) follows(list []Step) error {
	switch {
	case s.BitsPerSecond < 0:
		return fmt.Errorf("a rate of %d bit/s is not possible, it must be at least 0", s.BitsPerSecond)
	case len(list) == 0 && s.At != 0:
		return fmt.Errorf("the first step is at %v and must be at 0: begin with a rate of 0 for a pause", s.At)
	case len(list) > 0 && s.At <= list[len(list)-1].At:
		return fmt.Errorf("%v is not after %v, where the step before is", s.At, list[len(list)-1].At)
	}
	return nil
}

// complete returns an error if the list has not enough, or does not fit into the period.
func complete(list []Step, period time.Duration) error {
	switch {
	case !slices.ContainsFunc(list, func(s Step) bool { return s.BitsPerSecond > 0 }):
		return errors.New("lets nothing leave: it must have a step with a rate above 0")
	case period != 0 && period <= list[len(list)-1].At:
		return fmt.Errorf("repeats after %v, which is not after its last step at %v", period, list[len(list)-1].At)
	}
	return nil
}

// perPeriod returns what a period pays for, in bits * 1e9, at most 1<<64 - 1.
func (s *Schedule) perPeriod() uint64 {
	var hi, lo uint64
	for i, step := range s.Steps {
		end := s.Period
		if i+1 < len(s.Steps) {
			end = s.Steps[i+1].At
		}
		h, l := bits.Mul64(uint64(max(0, end-step.At)), uint64(step.BitsPerSecond))
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi += h + carry
	}
	if hi > 0 {
		return math.MaxUint64
	}
	return lo
}

// maxLine is the longest line of a schedule that is read, with its comment.
const maxLine = 4096

// ParseSchedule reads the steps of a schedule: one a line, as the time in seconds, with up
// to nine decimals, and the rate as ParseRate reads it.
//
//	# seconds  rate
//	0          100M
//	5.5        50M
//	6          0      # a pause
//	10         repeat
//
// The word repeat on the last line makes its time the period after which the steps begin
// again. What stands behind # is not read. It returns the steps and the period, which is 0
// without such a line, and an error that names the line where something else is found or
// NewSchedule would refuse it.
func ParseSchedule(r io.Reader) ([]Step, time.Duration, error) {
	list, period, err := parseSchedule(r)
	return list, period, edge(err)
}

func parseSchedule(r io.Reader) ([]Step, time.Duration, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 256), maxLine)
	var list []Step
	var period time.Duration
	line := 1
	for ; in.Scan(); line++ {
		text, _, _ := bytes.Cut(in.Bytes(), []byte("#"))
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		step, repeat, err := parseStep(text)
		switch {
		case err != nil:
		case period != 0:
			err = errors.New("repeat must stand on the last line")
		case repeat:
			period = step.At
			err = repeats(list, period)
		case len(list) == MaxSteps:
			err = fmt.Errorf("more than %d steps", MaxSteps)
		default:
			err = step.follows(list)
			list = append(list, step)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d of the schedule: %w", line, err)
		}
	}
	if err := in.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, 0, fmt.Errorf("line %d of the schedule has more than %d characters", line, maxLine)
	} else if err != nil {
		return nil, 0, fmt.Errorf("reading a schedule: %w", err)
	}
	if err := complete(list, period); err != nil {
		return nil, 0, fmt.Errorf("the schedule %w", err)
	}
	return list, period, nil
}

// repeats returns an error if the list cannot be repeated after the period.
func repeats(list []Step, period time.Duration) error {
	if len(list) == 0 || period <= list[len(list)-1].At {
		return errors.New("repeat must be at a time after the last step's")
	}
	return nil
}

// parseStep reads a line without its comment, and whether it is the one that repeats.
func parseStep(text []byte) (step Step, repeat bool, err error) {
	words := bytes.Fields(text)
	if len(words) != 2 {
		return step, false, fmt.Errorf("%q is not a time in seconds and a rate, such as 5.5 100M", short(string(text)))
	}
	if step.At, err = parseSeconds(words[0]); err != nil {
		return step, false, err
	}
	if string(words[1]) == "repeat" {
		return step, true, nil
	}
	step.BitsPerSecond, err = parseRate(string(words[1]))
	return step, false, err
}
