package main

import (
	"strings"
	"testing"
	"testing/fstest"
)

// files makes a file system of lines "NAME: CONTENTS".
func files(text string) fstest.MapFS {
	root := make(fstest.MapFS)
	for line := range strings.Lines(text) {
		if name, contents, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			root[name] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(contents, ";", "\n"))}
		}
	}
	return root
}

func TestSpareMemory(t *testing.T) {
	for name, c := range map[string]struct {
		files string
		want  int64
	}{
		"nothing is known": {"", unlimited},
		"the machine's": {`proc/meminfo: MemTotal: 8000 kB;MemFree: 10 kB;MemAvailable: 3000 kB
			proc/self/cgroup: 0::/
			sys/fs/cgroup/memory.max: max`, 3000 << 10},
		"version 2": {`proc/self/cgroup: 0::/a/b
			sys/fs/cgroup/a/b/memory.max: 128000000
			sys/fs/cgroup/a/b/memory.current: 28000000
			sys/fs/cgroup/a/b/memory.stat: anon 1;inactive_file 5000000;active_file 7`, 105000000},
		"version 2, the parent is narrower": {`proc/self/cgroup: 0::/a/b
			sys/fs/cgroup/a/b/memory.max: max
			sys/fs/cgroup/a/b/memory.current: 5
			sys/fs/cgroup/a/memory.max: 1000
			sys/fs/cgroup/a/memory.current: 400`, 600},
		"version 2, in a container": {`proc/self/cgroup: 0::/system.slice/docker-1.scope
			sys/fs/cgroup/memory.max: 1000
			sys/fs/cgroup/memory.current: 100`, 900},
		"version 2, more in use than the limit": {`proc/self/cgroup: 0::/
			sys/fs/cgroup/memory.max: 1000
			sys/fs/cgroup/memory.current: 1100`, 0},
		"version 1": {`proc/self/cgroup: 9:name=systemd:/;4:memory:/a;0::/
			sys/fs/cgroup/memory/a/memory.limit_in_bytes: 1000
			sys/fs/cgroup/memory/a/memory.usage_in_bytes: 300
			sys/fs/cgroup/memory/a/memory.stat: inactive_file 1;total_inactive_file 100
			sys/fs/cgroup/memory/memory.limit_in_bytes: 9223372036854771712
			sys/fs/cgroup/memory/memory.usage_in_bytes: 70000`, 800},
		"version 1, with another controller": {`proc/self/cgroup: 4:cpu,memory:/
			sys/fs/cgroup/memory/memory.limit_in_bytes: 1000
			sys/fs/cgroup/memory/memory.usage_in_bytes: 1`, 999},
		"version 1 without a limit": {`proc/self/cgroup: 4:memory:/
			sys/fs/cgroup/memory/memory.limit_in_bytes: 9223372036854771712
			sys/fs/cgroup/memory/memory.usage_in_bytes: 1`, unlimited},
		"nonsense": {`proc/meminfo: MemAvailable:
			proc/self/cgroup: x;:;::;0::../../..;4:memory
			sys/fs/cgroup/memory.max: -5
			sys/fs/cgroup/memory.current: many`, unlimited},
	} {
		if got := spareMemory(files(c.files)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func FuzzSpareMemory(f *testing.F) {
	f.Add("0::/a/b", "1000", "10", "inactive_file 5")
	f.Add("4:memory:/..", "max", "", "inactive_file")
	f.Fuzz(func(t *testing.T, group, limit, usage, stat string) {
		root := make(fstest.MapFS)
		for name, contents := range map[string]string{"proc/self/cgroup": group,
			"sys/fs/cgroup/memory.max": limit, "sys/fs/cgroup/memory.current": usage, "sys/fs/cgroup/memory.stat": stat,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": limit, "sys/fs/cgroup/memory/memory.usage_in_bytes": usage} {
			root[name] = &fstest.MapFile{Data: []byte(contents)}
		}
		if n := spareMemory(root); n < 0 {
			t.Errorf("%d bytes are spare", n)
		}
	})
}

// TestPlanMemory has garbage bounded by what is in use and by a room, and all by what there is.
func TestPlanMemory(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct{ has, spare, limit, room int64 }{
		{10 * mib, unlimited, unlimited, 64 * mib},
		{10 * mib, 1000 * mib, 10*mib + 1000*mib/10*9, 64 * mib},
		{10 * mib, 100 * mib, 10*mib + 100*mib/10*9, 25 * mib},
		{10 * mib, 8 * mib, 10*mib + 8*mib/10*9, 4 * mib},
		{10 * mib, 0, 10 * mib, 4 * mib},
	} {
		p := planMemory(c.has, c.spare)
		if p.limit != c.limit || p.room != c.room {
			t.Errorf("has %d, spare %d: %+v, want limit %d, room %d", c.has, c.spare, p, c.limit, c.room)
		}
	}
	p := planMemory(10*mib, unlimited)
	for live, want := range map[int64]int{0: 100, 1: 1<<31 - 1, mib: 6400, 10 * mib: 640, 64 * mib: 100, 1000 * mib: 100} {
		if got := p.percent(live); got != want {
			t.Errorf("%d bytes in use: GOGC %d, want %d", live, got, want)
		}
	}
}
