// Package nic is the device over a real interface: one link.Device for all of them, above a
// small back end that reads and writes frames.
//
//	Device.Transmit -> checks, Backend.Write, stamp, account
//	Backend.Read on a goroutine, or polled -> Receiver -> link.Inbox -> the clock's goroutine -> Handler
//	the kernel's notifications -> Watcher -> State -> Device: down, up, another MTU, gone
//
// The back ends have a package each, which opens them: nic/tuntap (tun and tap interfaces to
// this machine's kernel), nic/packet (an Ethernet interface that is there). The files here:
// backend.go is what one has to do, device.go the device, writer.go and reader.go its two
// directions, state.go what becomes of the interface.
//
// An interface that is removed, or that nothing could be sent on for a while, ends the
// device: Device.Failed tells of it at once. One that is down or has no carrier, or has got a
// smaller MTU, may be as before later: meanwhile frames are dropped as a network card drops
// them, counted by cause, and it is told.
package nic
