import Testing

@testable import NetBoot

@Suite struct BootPathTests {
    static let digest = String(repeating: "0f", count: 32)

    @Test func `each path means one thing`() {
        let node = mac("52:54:00:00:01:01")
        #expect(BootPath.read("GET", "/boot.ipxe") == .success(.script(nil)))
        #expect(BootPath.read("GET", "/boot.ipxe?mac=52-54-00-00-01-01") == .success(.script(node)))
        #expect(BootPath.read("HEAD", "/artifacts/\(Self.digest)/kernel") == .success(.artefact(digest: Self.digest, .kernel, nil)))
        #expect(BootPath.read("GET", "/artifacts/\(Self.digest)/initrd?mac=52:54:00:00:01:01") == .success(.artefact(digest: Self.digest, .initrd, node)))
        #expect(BootPath.read("GET", "http://192.168.100.1:8080/boot.ipxe?mac=52-54-00-00-01-01") == .success(.script(node)))
        #expect(BootPath.read("GET", "HTTP://boot/authorized_keys") == .success(.authorizedKeys))
        #expect(BootPath.read("GET", "/authorized_keys") == .success(.authorizedKeys))
        #expect(BootPath.read("GET", "/loaders/ipxe.efi") == .success(.loader("ipxe.efi")))
        #expect(BootPath.read("POST", "/progress?mac=52%3A54%3a00%3A00%3A01%3A01&phase=installer") == .success(.progress(node, .installer)))
    }

    @Test(arguments: [
        "/", "", "//boot.ipxe", "/boot.ipxe/", "/../boot.ipxe", "/artifacts", "/artifacts/", "/artifacts/../kernel",
        "/artifacts/0f/kernel", "/artifacts/%2e%2e/kernel", "/loaders/", "/loaders/../ipxe.efi", "/loaders/passwd", "/loaders/..%2f..%2fetc%2fpasswd",
        "/etc/passwd", "/authorized_keys/..", "../boot.ipxe", "x/boot.ipxe", "boot.ipxe", "http://192.168.100.1", "http://192.168.100.1?/boot.ipxe",
        "https://192.168.100.1/boot.ipxe", "http://192.168.100.1/../boot.ipxe", "http:/boot.ipxe",
    ])
    func `every other path is not found`(target: String) {
        #expect(BootPath.read("GET", target) == .failure(.notFound))
    }

    @Test func `digests are written small`() {
        #expect(BootPath.read("GET", "/artifacts/\(Self.digest.uppercased())/kernel") == .failure(.notFound))
    }

    @Test func `what is no request is told so`() {
        #expect(BootPath.read("PUT", "/boot.ipxe") == .failure(.notAllowed("GET, HEAD")))
        #expect(BootPath.read("DELETE", "/progress?mac=52:54:00:00:01:01&phase=installer") == .failure(.notAllowed("GET, POST")))
        #expect(BootPath.read("GET", "/progress?mac=here&phase=installer") == .failure(.bad("mac is not a MAC address")))
        #expect(BootPath.read("GET", "/progress?mac=52:54:00:00:01:01&phase=kernel") == .failure(.bad("phase is not \"installer\"")))
        #expect(BootPath.read("GET", "/" + String(repeating: "a", count: 2000)) == .failure(.bad("the path is too long or no text")))
        #expect(BootPath.read("GET", "/boot.ipxe\u{0}") == .failure(.bad("the path is too long or no text")))
    }

    @Test(arguments: [
        (nil, ByteRange.whole), ("bytes=0-99", .part(0..<100)), ("bytes=100-", .part(100..<1000)), ("bytes=-50", .part(950..<1000)),
        ("bytes=900-5000", .part(900..<1000)), ("bytes=1000-", .unsatisfiable), ("bytes=-0", .unsatisfiable), ("bytes=-5000", .part(0..<1000)),
        ("bytes=5-4", .whole), ("bytes=0-1,5-6", .whole), ("bytes=a-b", .whole), ("lines=1-2", .whole), ("bytes=-", .whole),
        ("bytes=99999999999999999999-", .whole), ("bytes=+1-2", .whole), ("bytes=0-9223372036854775807", .part(0..<1000)),
    ] as [(String?, ByteRange)])
    func `a range is cut to the file`(header: String?, expected: ByteRange) { #expect(ByteRange(header, of: 1000) == expected) }

    @Test func `a script boots the kernel with its own name for the machine`() {
        let lab = service()
        #expect(BootScript.text(for: lab.machines[0], mac: lab.machines[0].mac, in: lab) == """
            #!ipxe
            kernel http://192.168.100.1:8080/artifacts/\(String(repeating: "a", count: 64))/kernel?mac=52-54-00-00-01-01 initrd=initrd console=ttyS0 plasma.server=http://192.168.100.1:8080 plasma.mac=52:54:00:00:01:01 plasma.hostname=node01
            initrd --name initrd http://192.168.100.1:8080/artifacts/\(String(repeating: "b", count: 64))/initrd?mac=52-54-00-00-01-01
            boot

            """)
    }

    @Test func `a machine that is offered nothing is sent on`() {
        let lab = service()
        #expect(BootScript.text(for: lab.machines[1], mac: lab.machines[1].mac, in: lab).contains("\nexit\n"))
        #expect(BootScript.text(for: nil, mac: nil, in: lab).contains("\nexit\n"))
        #expect(!BootScript.text(for: nil, mac: mac("52:54:00:00:09:09"), in: service { $0.servesUnknown = true }).contains("hostname"))
    }

    @Test func `a line break in a command line begins no other command`() {
        let lab = service { $0.commandLine = "quiet\nshell\r\n\tdebug" }
        #expect(BootScript.text(for: lab.machines[0], mac: nil, in: lab).split(separator: "\n").count == 4)
    }
}
