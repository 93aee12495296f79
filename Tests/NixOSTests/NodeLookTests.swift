import Foundation
import Host
import Testing

@testable import NixOS

@Suite struct `A machine's facts` {
    private func line(_ name: String, _ text: String, code: Int = 0) -> String {
        "plasma \(name) \(code) \(text.utf8.count)\n\(text)\n"
    }

    /// bash counts characters elsewhere than in the C locale.
    @Test(arguments: ["/bin/sh", "/bin/bash"]) func `the script's answer on this very machine is read`(shell: String) async throws {
        let scratch = try Scratch()
        try writePrivately(Array("abc".utf8), to: scratch.path + "/it's ein Gerät", mode: 0o640)
        let file = scratch.path + "/it's ein Gerät", image = scratch.path + "/blank"
        try writePrivately([UInt8](repeating: 0, count: 1 << 20), to: image)
        let link = scratch.path + "/by-id"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/dev/null")
        let look = NodeLook(files: [file, scratch.path + "/none"], disks: [image, scratch.path + "/nowhere", link])
        let result = try await SystemProcesses().run(Program(shell, ["-s"], standardInput: Array(look.script.utf8)), limit: .seconds(60))
        let facts = try #require(NodeLook.read(result.standardOutput), "\(result.output) \(result.errorText)")
        #expect(!facts.id.isEmpty)
        #expect(facts.files == [file: .init(sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", mode: 0o640)])
        #expect(facts.signatures[scratch.path + "/nowhere"] == nil)
        #expect(facts.aliases == [link: "/dev/null"] && facts.kernelPath(of: link) == "/dev/null" && facts.kernelPath(of: image) == image)
        var outside = look
        outside.signatures = .none
        let quick = try await SystemProcesses().run(Program(shell, ["-s"], standardInput: Array(outside.script.utf8)), limit: .seconds(60))
        #expect(NodeLook.read(quick.standardOutput)?.aliases == facts.aliases && NodeLook.read(quick.standardOutput)?.signatures == [:])
        // Where wipefs is not installed nothing is known of the disk.
        #expect([nil, []].contains(facts.signatures[image]))
    }

    @Test func `a mounted device has the file system that it is mounted with, where lsblk tells none`() throws {
        let answer = line("lsblk", #"{"blockdevices":[{"name":"vda","path":"/dev/vda","children":[{"name":"pool-root","path":"/dev/mapper/pool-root","fstype":null,"mountpoints":["/"]},{"name":"pool-data","path":"/dev/mapper/pool-data","fstype":"xfs","mountpoints":["/var/lib"]}]}]}"#)
            + line("mounts", "/ ext4\n/var/lib ext4\ntmpfs") + "plasma end 0 0\n"
        let devices = try #require(NodeLook.read(Array(answer.utf8))?.devices)
        #expect(devices.flatMap(\.all).map(\.filesystem) == [nil, "ext4", "xfs"])
    }

    @Test func `everything that a node says is read`() throws {
        let answer = "Last login: never\n" + line("release", "NAME=\"NixOS\"\nID=nixos\nVARIANT_ID=\"installer\"\n")
            + line("current", "/nix/store/abc-nixos-system-node01") + line("booted", "/nix/store/old-nixos-system-node01")
            + line("profile", "/nix/var/nix/profiles/system", code: 0)
            + line("current-boot", "/nix/store/k2\n/nix/store/i2") + line("booted-boot", "/nix/store/k1\n/nix/store/i2")
            + line("failed", "● b.service loaded failed failed B\na@x.service loaded failed failed A")
            + line("lsblk", """
                {"blockdevices": [{"name":"vda", "path":"/dev/vda", "type":"disk", "size":2147483648, "fstype":null, "partlabel":null,
                "serial":" vda ", "mountpoints":[null], "children": [{"name":"vda1","path":"/dev/vda1","type":"part","size":"536870912",
                "fstype":"vfat","partlabel":"disk-vda-ESP","serial":null,"mountpoints":["/boot"]}]}]}
                """)
            + line("lvs", #"{"report":[{"lv":[{"vg_name":"pool","lv_name":"root","lv_size":"1073741824"}]}]}"#)
            + line("disk", "/dev/disk/by-id/b\n/dev/vdb") + line("disk", "/dev/vda\n/dev/vda") + line("disk", "/dev/disk/by-id/none\n")
            + line("signatures", "/dev/vda\ngpt \nPMBR") + line("signatures", "/dev/disk/by-id/b\n") + line("signatures", "/dev/vdc\n", code: 1)
            + "plasma end 0 0\n"
        let facts = try #require(NodeLook.read(Array(answer.utf8)))
        #expect(facts.isInstaller && facts.id == "nixos")
        #expect(facts.current == "/nix/store/abc-nixos-system-node01" && facts.profile == nil)
        #expect(facts.needsReboot == true)
        #expect(facts.failedUnits == ["a@x.service", "b.service"])
        #expect(facts.signatures == ["/dev/vda": ["gpt", "PMBR"], "/dev/vdb": []])
        #expect(facts.aliases == ["/dev/disk/by-id/b": "/dev/vdb"])
        #expect(facts.volumes == [LogicalVolume(group: "pool", name: "root", bytes: 1 << 30)])
        let disk = try #require(facts.devices?.first)
        #expect(disk.serial == "vda" && disk.bytes == 2 << 30 && disk.children.first?.mountpoints == ["/boot"])
        #expect(NodeLook.read(Array(answer.dropLast(16).utf8)) == nil, "an answer that breaks off is none")
        #expect(facts.boot == nil)
    }

    @Test func `what services were started with is read by their names`() throws {
        let answer = line("running", "/run/chainfire/cluster-config.json\n{\n  \"node_id\": \"n1\"\n}") + line("running", "/run/iam/cluster-config.json")
            + line("running", "/run/gone/cluster-config.json\n{", code: 1) + "plasma end 0 0\n"
        #expect(NodeLook.read(Array(answer.utf8))?.running == ["chainfire": "{\n  \"node_id\": \"n1\"\n}"])
    }

    @Test func `what could not be asked is not known, and not nothing`() throws {
        let told = line("failed", "") + line("current-boot", "/nix/store/k1") + line("booted-boot", "/nix/store/k1") + "plasma end 0 0\n"
        let well = try #require(NodeLook.read(Array(told.utf8)))
        #expect(well.failedUnits == [] && well.needsReboot == false)
        let untold = line("failed", "", code: 1) + line("lsblk", "", code: 127) + line("current-boot", "/nix/store/k1") + line("booted-boot", "") + "plasma end 0 0\n"
        let facts = try #require(NodeLook.read(Array(untold.utf8)))
        #expect(facts.failedUnits == nil && facts.needsReboot == nil && facts.devices == nil)
    }

    @Test func `how long ago its units came up is read of its own clock`() throws {
        let units = "Id=ssh.service\nActiveEnterTimestampMonotonic=15250000\n\nId=sshd.service\nActiveEnterTimestampMonotonic=0\n\n"
            + "Id=chainfire-cluster-join.service\nActiveEnterTimestampMonotonic=0\n\nId=x.service\nActiveEnterTimestampMonotonic=99000000\n"
        let answer = line("boot-id", "6d0b-1\n") + line("units", units) + line("uptime", "60.25 41.00\n") + "plasma end 0 0\n"
        let facts = try #require(NodeLook.read(Array(answer.utf8)))
        #expect(facts.boot == BootFacts(id: "6d0b-1", uptime: 60.25, units: ["ssh.service": 15.25], pending: ["chainfire-cluster-join.service"]))
        let without = line("boot-id", "6d0b-1\n") + line("uptime", "60.25 41.00\n") + "plasma end 0 0\n"
        #expect(NodeLook.read(Array(without.utf8))?.boot == BootFacts(id: "6d0b-1", uptime: 60.25), "a system without systemd")
    }

    @Test func `lists that are nested too deeply are none`() {
        for count in 505...520 {
            let deep = String(repeating: "[", count: count)
            let facts = NodeLook.read(Array((line("lsblk", deep) + line("lvs", deep) + "plasma end 0 0\n").utf8))
            #expect(facts != nil && facts?.devices == nil && facts?.volumes == nil)
        }
    }

    @Test func `any answer is read or refused`() {
        let whole = line("release", "ID=nixos") + line("lsblk", #"{"blockdevices":[{"name":"a","children":[{"name":"b"}]}]}"#)
            + line("lvs", #"{"report":[{"lv":[]}]}"#) + line("files", String(repeating: "a", count: 64) + "  /x") + line("modes", "600 /x")
            + line("signatures", "/dev/vda") + "plasma end 0 0\n"
        for seed in UInt64(1)...5_000 {
            var random = Seeded(seed)
            var bytes = Array(whole.utf8)
            for _ in 0..<random.number(12) {
                switch random.number(4) {
                case 0: bytes[random.number(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.removeSubrange(random.number(bytes.count)..<bytes.count)
                case 2: bytes.insert(contentsOf: bytes.prefix(random.number(bytes.count)), at: random.number(bytes.count))
                default: bytes.insert(UInt8(ascii: "\n"), at: random.number(bytes.count))
                }
                if bytes.isEmpty { bytes = [0] }
            }
            _ = NodeLook.read(bytes)
        }
        let deep = String(repeating: #"{"name":"a","children":["#, count: 100_000)
        #expect(NodeLook.read(Array((line("lsblk", #"{"blockdevices":["# + deep) + "plasma end 0 0\n").utf8))?.devices == nil)
    }
}

@Suite struct `Storage against its layout` {
    private let layout = [
        ExpectedStorage(place: .disk("/dev/vda"), name: "vda"),
        ExpectedStorage(place: .partition(disk: "/dev/vda", label: "disk-vda-ESP"), name: "vda.ESP", bytes: 512 << 20, filesystem: "vfat", mountpoint: "/boot"),
        ExpectedStorage(place: .partition(disk: "/dev/vda", label: "disk-vda-lvm"), name: "vda.lvm", filesystem: "LVM2_member"),
        ExpectedStorage(place: .volume(group: "po-ol", name: "root"), name: "po-ol.root", bytes: 1 << 30, filesystem: "ext4", mountpoint: "/"),
    ]
    private var devices: [BlockDevice] {
        [BlockDevice(name: "vda", path: "/dev/vda", type: "disk", bytes: 2 << 30, children: [
            BlockDevice(name: "vda1", path: "/dev/vda1", type: "part", bytes: 512 << 20, filesystem: "vfat", partitionLabel: "disk-vda-ESP", mountpoints: ["/boot"]),
            BlockDevice(name: "vda2", path: "/dev/vda2", type: "part", bytes: 1500 << 20, filesystem: "LVM2_member", partitionLabel: "disk-vda-lvm", children: [
                BlockDevice(name: "po--ol-root", path: "/dev/mapper/po--ol-root", type: "lvm", bytes: 1 << 30, filesystem: "ext4", mountpoints: ["/"])
            ]),
        ])]
    }
    private let volumes = [LogicalVolume(group: "po-ol", name: "root", bytes: (1 << 30) + (4 << 20))]

    @Test func `as laid out, nothing differs; an extent more or less is nothing`() {
        #expect(storageDifferences(layout, devices: devices, volumes: volumes) == [])
    }

    @Test func `what is missing, too large, of another type, mounted elsewhere, or not asked for is named`() {
        var devices = devices
        devices[0].children[0].filesystem = "ext4"
        devices[0].children[0].mountpoints = ["/efi"]
        devices[0].children.append(BlockDevice(name: "vda3", path: "/dev/vda3", type: "part", filesystem: "xfs"))
        var volumes = volumes
        volumes[0].bytes = 2 << 30
        volumes.append(LogicalVolume(group: "po-ol", name: "scratch", bytes: 1 << 20))
        volumes.append(LogicalVolume(group: "other", name: "scratch", bytes: 1 << 20))
        var layout = layout
        layout.append(ExpectedStorage(place: .volume(group: "po-ol", name: "data"), name: "po-ol.data", bytes: 1 << 20, filesystem: "ext4", mountpoint: "/data"))
        #expect(storageDifferences(layout, devices: devices, volumes: volumes) == [
            StorageDifference("vda.ESP.type", seen: "ext4", wanted: "vfat", impact: .destructive),
            StorageDifference("vda.ESP.mountpoint", seen: "/efi", wanted: "/boot", impact: .mount),
            StorageDifference("po-ol.root.size", seen: "2147483648", wanted: "1073741824", impact: .destructive),
            StorageDifference("po-ol.data", seen: nil, wanted: "ext4 1048576 bytes at /data", impact: .missing),
            StorageDifference("vda.vda3", seen: "xfs", wanted: nil, impact: .extra),
            StorageDifference("po-ol.scratch", seen: "1048576 bytes", wanted: nil, impact: .extra),
        ])
        #expect(storageDifferences([layout[0]], devices: [], volumes: []).map(\.impact) == [.missing])
    }
}
