#define _GNU_SOURCE
#include "chost.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in endpoint(uint32_t address, uint16_t port) {
    struct sockaddr_in place;
    memset(&place, 0, sizeof place);
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(address);
    place.sin_port = htons(port);
    return place;
}

int chost_multicast_receiver(uint32_t group, uint16_t port, uint32_t local) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    int yes = 1, no = 0, space = 4 << 20;
    struct sockaddr_in place = endpoint(group, port);
    struct ip_mreq membership = {.imr_multiaddr.s_addr = htonl(group), .imr_interface.s_addr = htonl(local)};
    // A larger buffer is wished for, not needed: the kernel caps it at net.core.rmem_max.
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &space, sizeof space);
    if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_ALL, &no, sizeof no) < 0 ||
        bind(descriptor, (struct sockaddr *)&place, sizeof place) < 0 ||
        setsockopt(descriptor, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) < 0) {
        int failure = -errno;
        close(descriptor);
        return failure;
    }
    return descriptor;
}

int chost_multicast_sender(uint32_t group, uint16_t port, uint32_t local, uint16_t *source_port) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return -errno;
    // From loopback nothing leaves this host; from another address it goes as far as its wire does.
    int yes = 1, hops = local >> 24 == 127 ? 0 : 1;
    struct in_addr through = {.s_addr = htonl(local)};
    struct sockaddr_in own = endpoint(local, 0), target = endpoint(group, port);
    socklen_t length = sizeof own;
    if (setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof through) < 0 ||
        setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops) < 0 ||
        setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, &yes, sizeof yes) < 0 ||
        bind(descriptor, (struct sockaddr *)&own, sizeof own) < 0 ||
        getsockname(descriptor, (struct sockaddr *)&own, &length) < 0 ||
        connect(descriptor, (struct sockaddr *)&target, sizeof target) < 0) {
        int failure = -errno;
        close(descriptor);
        return failure;
    }
    *source_port = ntohs(own.sin_port);
    return descriptor;
}

ssize_t chost_receive(int descriptor, void *bytes, size_t count, uint32_t *source, uint16_t *source_port) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(descriptor, bytes, count, 0, (struct sockaddr *)&from, &length);
    if (got < 0) return -errno;
    *source = ntohl(from.sin_addr.s_addr);
    *source_port = ntohs(from.sin_port);
    return got;
}
