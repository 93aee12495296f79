import Logging
import Testing

@testable import Segment

@Suite struct `Segment definitions` {
    private func problem(_ change: (inout SegmentDefinition) -> Void) -> String? {
        var segment = SegmentDefinition(
            name: "lab", driver: .multicast(group: "230.0.0.1:1234"), interface: "plasma0", address: "10.77.0.1")
        change(&segment)
        do {
            _ = try segment.checked()
            return nil
        } catch { return "\(error)" }
    }

    @Test func `a good one gives the host's address`() throws {
        let segment = SegmentDefinition(name: "lab", driver: .bridge, interface: "br0", address: "10.77.0.1", prefixLength: 20)
        let address = try #require(try segment.checked())
        #expect(address.description == "10.77.0.1/20")
        #expect(dotted(address.netmask) == "255.255.240.0")
    }

    @Test func `a bad one is refused with what was written`() {
        #expect(problem { _ in } == nil)
        #expect(problem { $0.interface = "a-very-long-interface" }?.contains("a-very-long-interface") == true)
        #expect(problem { $0.interface = "" } != nil)
        #expect(problem { $0.interface = "a/b" } != nil)
        #expect(problem { $0.driver = .multicast(group: "10.0.0.1:1234") }?.contains("10.0.0.1:1234") == true)
        #expect(problem { $0.driver = .multicast(group: "230.0.0.1") } != nil)
        #expect(problem { $0.driver = .multicast(group: "230.0.0.1:1234", localAddress: "lo") } != nil)
        #expect(problem { $0.driver = .multicast(group: "230.0.0.1:0") } != nil)
        #expect(problem { $0.address = "10.77.0.256" }?.contains("10.77.0.256") == true)
        #expect(problem { $0.address = "10.77.0.01" } != nil)
        #expect(problem { $0.prefixLength = 33 } != nil)
        #expect(problem { $0.mtu = 100 }?.contains("100") == true)
        #expect(problem { $0.driver = .user; $0.interface = "" } == nil)
    }

    @Test func `groups are read strictly`() {
        #expect(MulticastGroup("230.0.0.1:1234")?.description == "230.0.0.1:1234")
        #expect(MulticastGroup("230.0.0.1:1234", localAddress: "10.1.0.5")?.description == "230.0.0.1:1234 on 10.1.0.5")
        for text in ["", ":", "230.0.0.1:01", "230.0.0.1:65536", "240.0.0.1:1", "230.0.0.1:1:2", "230.0.0.+1:1"] {
            #expect(MulticastGroup(text) == nil, "\(text)")
        }
    }

    @Test func `user networking needs nothing of the host`() async throws {
        let segments = Segments(logger: Logger(label: "test"))
        let segment = SegmentDefinition(name: "lab", driver: .user, interface: "")
        try await segments.create(segment)
        #expect(try await segments.observe(segment) == nil)
        try await segments.remove(segment)
    }

    @Test func `a missing privilege says what to do`() {
        #expect(throws: SegmentError.forbidden("to make the TAP device t0")) { try demand(-1, "make the TAP device t0") }
        #expect("\(SegmentError.forbidden("to make the TAP device t0"))"
            == "to make the TAP device t0 needs CAP_NET_ADMIN: run as root or use driver: user")
    }

    @Test func `run ends when its task is cancelled, and counters add up`() async throws {
        var sum = RelayCounters(), more = RelayCounters()
        more.framesIn = 2
        more.bytesIn = 100
        sum += more
        sum += more
        #expect(sum.framesIn == 4 && sum.bytesIn == 200 && sum.framesOut == 0)
        let segments = Segments(logger: Logger(label: "test"))
        let running = Task { try await segments.run() }
        running.cancel()
        try await running.value
    }
}
