#define _GNU_SOURCE
#include "chost.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_bridge.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int request_on(const char *name, struct ifreq *request) {
    memset(request, 0, sizeof *request);
    if (strlen(name) == 0 || strlen(name) >= IFNAMSIZ) return -EINVAL;
    memcpy(request->ifr_name, name, strlen(name));
    return 0;
}

static int control(unsigned long operation, void *argument) {
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int result = ioctl(descriptor, operation, argument) < 0 ? -errno : 0;
    close(descriptor);
    return result;
}

int chost_tap_open(const char *name, int persistent) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (failure) return failure;
    int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return -errno;
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(descriptor, TUNSETIFF, &request) < 0 || ioctl(descriptor, TUNSETPERSIST, persistent) < 0) {
        failure = -errno;
        close(descriptor);
        return failure;
    }
    return descriptor;
}

int chost_interface_index(const char *name) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (!failure) failure = control(SIOCGIFINDEX, &request);
    return failure ? failure : request.ifr_ifindex;
}

int chost_interface_master(const char *name) {
    int index = chost_interface_index(name);
    if (index < 0) return index;
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (descriptor < 0) return -errno;
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
        .link = {.ifi_family = AF_UNSPEC, .ifi_index = index},
    };
    union {
        struct nlmsghdr header;
        char bytes[32 * 1024];
    } answer;
    ssize_t got = send(descriptor, &request, sizeof request, 0);
    if (got >= 0) got = recv(descriptor, &answer, sizeof answer, 0);
    int result = got < 0 ? -errno : 0;
    close(descriptor);
    if (got < 0) return result;
    if (!NLMSG_OK(&answer.header, (size_t)got)) return -EPROTO;
    if (answer.header.nlmsg_type == NLMSG_ERROR) return ((struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
    if (answer.header.nlmsg_type != RTM_NEWLINK) return -EPROTO;
    struct ifinfomsg *link = NLMSG_DATA(&answer.header);
    int rest = (int)IFLA_PAYLOAD(&answer.header);
    for (struct rtattr *part = IFLA_RTA(link); RTA_OK(part, rest); part = RTA_NEXT(part, rest)) {
        if (part->rta_type == IFLA_MASTER) {
            memcpy(&result, RTA_DATA(part), sizeof result);
            return result;
        }
    }
    return 0;
}

int chost_interface_flags(const char *name) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (!failure) failure = control(SIOCGIFFLAGS, &request);
    return failure ? failure : (int)(unsigned short)request.ifr_flags;
}

int chost_interface_set_up(const char *name, int up) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (!failure) failure = control(SIOCGIFFLAGS, &request);
    if (failure) return failure;
    if (up) request.ifr_flags |= IFF_UP;
    else request.ifr_flags &= ~IFF_UP;
    return control(SIOCSIFFLAGS, &request);
}

int chost_interface_mtu(const char *name) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (!failure) failure = control(SIOCGIFMTU, &request);
    return failure ? failure : request.ifr_mtu;
}

int chost_interface_set_mtu(const char *name, int mtu) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (failure) return failure;
    request.ifr_mtu = mtu;
    return control(SIOCSIFMTU, &request);
}

static int get_address(const char *name, unsigned long operation, uint32_t *address) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (failure) return failure;
    request.ifr_addr.sa_family = AF_INET;
    failure = control(operation, &request);
    if (!failure) *address = ntohl(((struct sockaddr_in *)&request.ifr_addr)->sin_addr.s_addr);
    return failure;
}

static int set_address(const char *name, unsigned long operation, uint32_t address) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (failure) return failure;
    struct sockaddr_in *place = (struct sockaddr_in *)&request.ifr_addr;
    place->sin_family = AF_INET;
    place->sin_addr.s_addr = htonl(address);
    return control(operation, &request);
}

int chost_interface_address(const char *name, uint32_t *address, uint32_t *netmask) {
    int failure = get_address(name, SIOCGIFADDR, address);
    return failure ? failure : get_address(name, SIOCGIFNETMASK, netmask);
}

int chost_interface_set_address(const char *name, uint32_t address, uint32_t netmask) {
    int failure = set_address(name, SIOCSIFADDR, address);
    return failure ? failure : set_address(name, SIOCSIFNETMASK, netmask);
}

int chost_interface_driver(const char *name, char driver[32], char bus[32]) {
    struct ifreq request;
    struct ethtool_drvinfo information = {.cmd = ETHTOOL_GDRVINFO};
    int failure = request_on(name, &request);
    if (failure) return failure;
    request.ifr_data = (void *)&information;
    failure = control(SIOCETHTOOL, &request);
    if (failure) return failure;
    snprintf(driver, 32, "%s", information.driver);
    snprintf(bus, 32, "%s", information.bus_info);
    return 0;
}

int chost_interface_hardware(const char *name, uint8_t address[6]) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (!failure) failure = control(SIOCGIFHWADDR, &request);
    if (!failure) memcpy(address, request.ifr_hwaddr.sa_data, 6);
    return failure;
}

int chost_interface_set_hardware(const char *name, const uint8_t address[6]) {
    struct ifreq request;
    int failure = request_on(name, &request);
    if (failure) return failure;
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(request.ifr_hwaddr.sa_data, address, 6);
    return control(SIOCSIFHWADDR, &request);
}

int chost_bridge_create(const char *name) {
    struct ifreq request;
    int failure = request_on(name, &request);
    return failure ? failure : control(SIOCBRADDBR, request.ifr_name);
}

int chost_bridge_remove(const char *name) {
    struct ifreq request;
    int failure = request_on(name, &request);
    return failure ? failure : control(SIOCBRDELBR, request.ifr_name);
}

static int change_port(const char *bridge, const char *port, unsigned long operation) {
    struct ifreq request;
    int index = chost_interface_index(port);
    if (index < 0) return index;
    int failure = request_on(bridge, &request);
    if (failure) return failure;
    request.ifr_ifindex = index;
    return control(operation, &request);
}

int chost_bridge_add_port(const char *bridge, const char *port) { return change_port(bridge, port, SIOCBRADDIF); }
int chost_bridge_remove_port(const char *bridge, const char *port) { return change_port(bridge, port, SIOCBRDELIF); }

int chost_bridge_has_port(const char *bridge, const char *port) {
    struct ifreq request;
    int indices[1024] = {0};
    unsigned long arguments[4] = {BRCTL_GET_PORT_LIST, (unsigned long)indices, 1024, 0};
    int index = chost_interface_index(port);
    if (index < 0) return index;
    int failure = request_on(bridge, &request);
    if (failure) return failure;
    request.ifr_data = (void *)arguments;
    failure = control(SIOCDEVPRIVATE, &request);
    if (failure < 0) return failure;
    for (int i = 0; i < 1024; i++)
        if (indices[i] == index) return 1;
    return 0;
}
