import Host

/// Everything that one run of nixos-anywhere, or of something with its command line, is started with.
package struct InstallerOrder: Hashable, Sendable {
    /// A file of this host that the installer needs; it had its digest when it was looked at.
    package struct Image: Hashable, Sendable {
        package var name: String
        package var path: String
        /// SHA-256, 64 hexadecimal digits, small.
        package var digest: String

        package init(name: String, path: String, digest: String) {
            self.name = name
            self.path = path
            self.digest = digest
        }

        /// "PLASMA_IMAGE_ROOT=/images/root.tar.zst", and its digest.
        var settings: [String] {
            let variable = "PLASMA_IMAGE_" + name.uppercased().map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined()
            return ["\(variable)=\(path)", "\(variable)_SHA256=\(digest)"]
        }
    }

    package var node: String
    /// Names the run and its directory; never given to two runs.
    package var run: String
    /// A path, or a name that is looked for along PATH.
    package var program: String
    /// URI of the flake; nil: the files of `flakeFiles`, in the run's own directory.
    package var flake: String?
    package var attribute: String
    package var target: SSHTarget
    /// "disko", "mount" or "format".
    package var diskoMode: String
    package var phases: [String]
    /// The target is the installer already: its host key is known and nothing is booted in between.
    package var isInstaller: Bool
    /// The flake that plasma renders, for `flake` nil.
    package var flakeFiles: [RenderedFile]
    /// Runs that there may be at once on this host, this one among them.
    package var atOnce: Int
    /// Where it is given no flake.lock, Nix makes one first (`nix flake lock`).
    package var makesLock: Bool
    package var images: [Image]

    package init(
        node: String, run: String, program: String, flake: String?, attribute: String, target: SSHTarget, diskoMode: String = "disko",
        phases: [String] = ["kexec", "disko", "install", "reboot"], isInstaller: Bool = true, flakeFiles: [RenderedFile] = [],
        atOnce: Int = .max, makesLock: Bool = false, images: [Image] = []
    ) {
        self.node = node
        self.run = run
        self.program = program
        self.flake = flake
        self.attribute = attribute
        self.target = target
        self.diskoMode = diskoMode
        self.phases = phases
        self.isInstaller = isInstaller
        self.flakeFiles = flakeFiles
        self.atOnce = atOnce
        self.makesLock = makesLock
        self.images = images
    }

    /// The command line, as nixos-anywhere takes it.
    /// - Parameters:
    ///   - directory: the run's own.
    ///   - sshOptions: `KEY=VALUE`, none with a space: nixos-anywhere joins them with spaces for nix.
    func arguments(directory: String, privateKeyFile: String, sshOptions: [String]) -> [String] {
        let flake = flake ?? "path:\(directory)/flake"
        var arguments = ["--flake", "\(flake)#\(attribute)", "--target-host", target.userAtAddress, "-i", privateKeyFile]
        if target.port != 22 { arguments += ["-p", "\(target.port)"] }
        for option in sshOptions where !option.contains(" ") { arguments += ["--ssh-option", option] }
        arguments += ["--extra-files", directory + "/extra", "--phases", phases.joined(separator: ",")]
        if let kexec = images.first(where: { $0.name == "kexec" }) { arguments += ["--kexec", kexec.path] }
        if diskoMode != "disko" { arguments += ["--disko-mode", diskoMode] }
        // "auto" may build over there and writes a lock file of its own accord.
        return arguments + ["--build-on", "local"]
    }
}

/// One run as it is found on this host.
package struct RunSight: Hashable, Sendable {
    package enum State: Hashable, Sendable {
        /// The directory is there, and nothing was started in it yet.
        case prepared
        case running
        case exited(Int)
        /// It was started, it runs no more, and it did not say how it ended: it went down with the host, or was killed.
        case died
    }

    package var run: String
    package var state: State
    package var progress: InstallerProgress
    /// When it was started and when it ended, in seconds since 1970; nil when not yet, or not known.
    package var startedAt: Double?
    package var finishedAt: Double?
    /// What it was given for the node is still here.
    package var hasSecrets: Bool
    package var log: String

    package init(
        run: String, state: State, progress: InstallerProgress = InstallerProgress(), startedAt: Double? = nil, finishedAt: Double? = nil,
        hasSecrets: Bool = false, log: String = ""
    ) {
        self.run = run
        self.state = state
        self.progress = progress
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.hasSecrets = hasSecrets
        self.log = log
    }
}
