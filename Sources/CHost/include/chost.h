#ifndef CHOST_H
#define CHOST_H

#include <stdint.h>
#include <sys/types.h>

// What Linux offers only through variadic calls, macros or unions that Swift cannot see. Every function
// returns 0 or a value at success and -errno at failure, so that no caller has to read errno.

// Processes

/// What a child is started with. Arrays end with NULL. A descriptor of -1 becomes /dev/null.
struct chost_spawn_request {
    const char *path;               // with a slash: that file; without: looked for along PATH
    char *const *arguments;         // argv, the name included
    char *const *environment;       // NULL: this process's own
    const char *directory;          // NULL: this process's own
    int standard_input, standard_output, standard_error;
    int new_session;                // 1: setsid, away from our terminal and process group
};

/// posix_spawn with default signal handlers, nothing blocked and no descriptor above 2 inherited.
/// Gives the pid.
int chost_spawn(const struct chost_spawn_request *request);
/// pidfd_open(2): a descriptor that stays with this very process, readable once it has ended.
int chost_pidfd_open(pid_t pid);
/// pidfd_send_signal(2).
int chost_pidfd_signal(int descriptor, int signal);
/// How a child of ours ended. `block` 0: -EAGAIN while it runs.
/// Gives the exit code 0...255, or 256 + the signal's number.
int chost_reap(pid_t pid, int block);
/// A pipe whose ends are closed on exec.
int chost_pipe(int descriptors[2]);
/// An eventfd, close-on-exec and non-blocking, to wake a poll.
int chost_event(void);

// Memory

/// Lets a thread's heap of malloc grow in steps of `step` bytes, and give memory back only when `kept` bytes are free at its
/// end (mallopt(3)): by itself glibc calls the kernel for every few requests of a busy server.
int chost_heap_steps(int step, int kept);

// Network interfaces (netdevice(7), tun.txt, if_bridge.h). Names are at most 15 bytes.

/// Opens the TAP device `name`, made when absent: whole Ethernet frames, no header before them.
/// Gives a non-blocking descriptor. `persistent` 1: the device outlives it; 0: it goes with it.
int chost_tap_open(const char *name, int persistent);
int chost_interface_index(const char *name);
/// The index of the interface that it is a port of (rtnetlink(7), IFLA_MASTER); 0: of none; or -errno.
int chost_interface_master(const char *name);
/// Gives IFF_ flags.
int chost_interface_flags(const char *name);
int chost_interface_set_up(const char *name, int up);
int chost_interface_mtu(const char *name);
int chost_interface_set_mtu(const char *name, int mtu);
/// The address and netmask in host byte order; -EADDRNOTAVAIL when there is none.
int chost_interface_address(const char *name, uint32_t *address, uint32_t *netmask);
int chost_interface_set_address(const char *name, uint32_t address, uint32_t netmask);
/// The driver's name as ethtool gives it ("tun", "bridge", …); `bus` is "tap" for a TAP device. 32 bytes each.
int chost_interface_driver(const char *name, char driver[32], char bus[32]);
/// The hardware address, 6 bytes.
int chost_interface_hardware(const char *name, uint8_t address[6]);
int chost_interface_set_hardware(const char *name, const uint8_t address[6]);
int chost_bridge_create(const char *name);
int chost_bridge_remove(const char *name);
int chost_bridge_add_port(const char *bridge, const char *port);
/// 1 when `port` is one of `bridge`'s first 1024 ports.
int chost_bridge_has_port(const char *bridge, const char *port);
int chost_bridge_remove_port(const char *bridge, const char *port);

// Multicast relay sockets

/// A UDP socket bound to the group's own address, joined on `local`, that hears only this group.
/// Addresses and ports in host byte order.
int chost_multicast_receiver(uint32_t group, uint16_t port, uint32_t local);
/// A UDP socket connected to the group through the interface of `local`, TTL 1, of loopback 0; its own port in `source_port`.
int chost_multicast_sender(uint32_t group, uint16_t port, uint32_t local, uint16_t *source_port);
/// recvfrom, with the sender's address and port in host byte order.
ssize_t chost_receive(int descriptor, void *bytes, size_t count, uint32_t *source, uint16_t *source_port);

// Boot server sockets, each on one interface alone. Addresses and ports in host byte order.

/// A non-blocking UDP socket that may broadcast. `shared` 1: beside another one on the same port.
int chost_device_socket(const char *interface, uint32_t address, uint16_t port, int shared);
/// A non-blocking raw ICMPv6 socket among all routers (ff02::2) that hears only router solicitations.
int chost_router_socket(const char *interface);
/// sendto(2), without waiting.
int chost_send(int descriptor, uint32_t address, uint16_t port, const void *bytes, size_t count);
/// The same to all nodes of the link (ff02::1), through the interface that the socket is bound to.
int chost_send_to_nodes(int descriptor, const void *bytes, size_t count);

#endif
