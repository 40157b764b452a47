package packet

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// speed returns an interface's line speed in bit/s, or 0 if it does not say. It asks by
// ioctl: /sys may show another namespace's interfaces.
func speed(fd int, name string) int64 {
	// struct ethtool_cmd of linux/ethtool.h: the command is a u32 at 0, the speed in
	// Mbit/s a u16 at 12, with its high half at 28.
	var command [44]byte
	order := binary.NativeEndian
	order.PutUint32(command[:], unix.ETHTOOL_GSET)
	// struct ifreq of linux/if.h, with a pointer in its union.
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24 - unsafe.Sizeof(uintptr(0))]byte
	}{data: unsafe.Pointer(&command)}
	copy(request.name[:len(request.name)-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	low, high := order.Uint16(command[12:]), order.Uint16(command[28:])
	if errno != 0 || low == 0xffff { // -1 stands for a speed that is not known
		return 0
	}
	return (int64(high)<<16 | int64(low)) * 1e6
}
