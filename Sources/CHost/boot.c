#define _GNU_SOURCE
#include "chost.h"
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int set(int descriptor, int level, int name, int value) {
    return setsockopt(descriptor, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

static int bind_to(int descriptor, const char *interface) {
    if (strlen(interface) == 0 || strlen(interface) >= IFNAMSIZ) return -EINVAL;
    return setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface) + 1) < 0 ? -errno : 0;
}

int chost_device_socket(const char *interface, uint32_t address, uint16_t port, int shared) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    int failure = bind_to(descriptor, interface);
    if (!failure) failure = set(descriptor, SOL_SOCKET, SO_BROADCAST, 1);
    // A thousand machines that are switched on together ask within a moment. A limit of the system is no failure.
    if (!failure && set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20) < 0) set(descriptor, SOL_SOCKET, SO_RCVBUF, 4 << 20);
    if (!failure && shared) failure = set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!failure && bind(descriptor, (struct sockaddr *)&place, sizeof place) < 0) failure = -errno;
    if (!failure) return descriptor;
    close(descriptor);
    return failure;
}

int chost_router_socket(const char *interface) {
    struct ipv6_mreq group = {.ipv6mr_interface = if_nametoindex(interface)};
    struct icmp6_filter filter;
    if (group.ipv6mr_interface == 0) return -errno;
    int descriptor = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
    if (descriptor < 0) return -errno;
    // Before any is let in: what came earlier, from any interface, would be read as well.
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
    int failure = setsockopt(descriptor, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) < 0 ? -errno : 0;
    if (!failure) failure = bind_to(descriptor, interface);
    // RFC 4861: a hop limit of 255 shows that no router forwarded it.
    if (!failure) failure = set(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255);
    if (!failure) failure = set(descriptor, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255);
    if (!failure) failure = set(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
    if (!failure) failure = set(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)group.ipv6mr_interface);
    inet_pton(AF_INET6, "ff02::2", &group.ipv6mr_multiaddr);
    if (!failure && setsockopt(descriptor, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &group, sizeof group) < 0) failure = -errno;
    if (!failure) return descriptor;
    close(descriptor);
    return failure;
}

int chost_send(int descriptor, uint32_t address, uint16_t port, const void *bytes, size_t count) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    return sendto(descriptor, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&place, sizeof place) < 0 ? -errno : 0;
}

int chost_send_to_nodes(int descriptor, const void *bytes, size_t count) {
    struct sockaddr_in6 place = {.sin6_family = AF_INET6};
    inet_pton(AF_INET6, "ff02::1", &place.sin6_addr);
    return sendto(descriptor, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&place, sizeof place) < 0 ? -errno : 0;
}
