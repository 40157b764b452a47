package main

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// unlimited stands for memory that nobody bounds.
const unlimited = math.MaxInt64

// spareMemory returns how many bytes of memory this process may still take: of what the
// machine has available, and of what each of its cgroups, version 1 or 2, has left. root is
// the file system's root. What cannot be read does not bound.
func spareMemory(root fs.FS) int64 {
	spare := int64(unlimited)
	if kb, ok := field(root, "proc/meminfo", "MemAvailable:"); ok {
		spare = kb << 10
	}
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return spare
	}
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path, with no controllers in version 2
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(part) < 3:
		case part[1] == "":
			spare = min(spare, spareIn(root, "sys/fs/cgroup", part[2], "memory.max", "memory.current", "inactive_file"))
		case strings.Contains(","+part[1]+",", ",memory,"):
			spare = min(spare, spareIn(root, "sys/fs/cgroup/memory", part[2], "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"))
		}
	}
	return spare
}

// spareIn returns the least that a cgroup and those that it is in have left. Files that the
// kernel keeps in memory and can drop count as left. A process in a container may not see
// the path that the kernel gives, and finds its cgroup where the hierarchy is mounted.
func spareIn(root fs.FS, mount, group, limit, usage, cache string) int64 {
	spare := int64(unlimited)
	for dir := path.Join(mount, group); strings.HasPrefix(dir, mount); dir = path.Dir(dir) {
		most, ok := field(root, path.Join(dir, limit), "")
		used, known := field(root, path.Join(dir, usage), "")
		if !ok || !known || most >= 1<<60 { // version 1 has no word for unlimited
			continue
		}
		cached, _ := field(root, path.Join(dir, "memory.stat"), cache)
		spare = min(spare, max(0, most-used+min(cached, used)))
	}
	return spare
}

// field returns the number behind a name in a file of names and numbers; with no name, the
// file's first.
func field(root fs.FS, file, name string) (int64, bool) {
	b, err := fs.ReadFile(root, file)
	if err != nil {
		return 0, false
	}
	words := strings.Fields(string(b))
	for i, w := range words {
		if name == "" || w == name && i+1 < len(words) {
			if name != "" {
				w = words[i+1]
			}
			n, err := strconv.ParseInt(w, 10, 64)
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}
