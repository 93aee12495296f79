import Foundation
import Host

/// A disk image as qemu-img sees it.
package struct Image: Hashable, Codable, Sendable {
    package struct Backing: Hashable, Codable, Sendable {
        package var path: String
        package var format: String?

        package init(path: String, format: String?) {
            self.path = path
            self.format = format
        }
    }

    package var path: String
    package var format: String
    /// What a guest sees.
    package var virtualBytes: UInt64
    /// What it takes on the host's disk.
    package var actualBytes: UInt64
    package var backing: Backing?
    /// qcow2's own flag, set by QEMU when it found the image inconsistent.
    package var isCorrupt: Bool

    package init(
        path: String, format: String, virtualBytes: UInt64, actualBytes: UInt64, backing: Backing? = nil, isCorrupt: Bool = false
    ) {
        self.path = path
        self.format = format
        self.virtualBytes = virtualBytes
        self.actualBytes = actualBytes
        self.backing = backing
        self.isCorrupt = isCorrupt
    }
}

/// Disk images of this host, through qemu-img. Nothing here looks inside a file before it is asked to.
package struct Images: Sendable {
    private let processes: any Processes
    private let program: String
    /// Fetched or copied images may be large, but none of these calls copies data.
    private let limit: Duration = .seconds(60)

    package init(processes: any Processes, program: String = "qemu-img") {
        self.processes = processes
        self.program = program
    }

    /// Works while a machine has it open. `nil` when there is no such file.
    /// - Parameter format: nil: what it looks like.
    package func inspect(_ path: String, format: String? = nil) async throws(MachineError) -> Image? {
        do {
            let isThere = try await FileLook.at(path) {
                var status = stat()
                if stat(path, &status) == 0 { return true }
                if errno == ENOENT || errno == ENOTDIR { return false }
                throw MachineError.image(path: path, errnoText(errno))
            }
            guard isThere else { return nil }
        } catch let error as MachineError {
            throw error
        } catch {
            throw .image(path: path, error is FileLook.Silence ? "its file system does not answer; is the server that it is on reachable?" : "\(error)")
        }
        let result = try await qemuImage(["info", "--output=json", "-U"] + (format.map { ["-f", $0] } ?? []) + ["--", path], about: path)
        return try Image(readingInfo: result, path: path)
    }

    /// Atomic: made beside its place and renamed. Directories above it are made when absent.
    /// - Throws: when the file is already there; an existing disk is never overwritten.
    package func create(_ path: String, format: String, bytes: UInt64?, backing: (path: String, format: String)? = nil)
        async throws(MachineError)
    {
        let files = FileManager.default
        guard !files.fileExists(atPath: path) else {
            throw .image(path: path, "is already there; remove it by hand if nobody needs what is on it")
        }
        let parent = (path as NSString).deletingLastPathComponent
        do { try files.createDirectory(atPath: parent, withIntermediateDirectories: true) } catch {
            throw .file(path: parent, "could not be made: \(error.localizedDescription)")
        }
        // A name that is nobody's disk, and no directory is ever removed for it.
        let draft = "\(parent)/.\((path as NSString).lastPathComponent).plasma-new"
        unlink(draft)
        var arguments = ["create", "-q", "-f", format]
        if let backing { arguments += ["-b", backing.path, "-F", backing.format] }
        arguments += ["--", draft]
        if let bytes { arguments.append(String(bytes)) }
        do throws(MachineError) { _ = try await qemuImage(arguments, about: path) } catch {
            unlink(draft)
            throw error
        }
        guard chmod(draft, 0o600) == 0 else {
            let why = errnoText(errno)
            unlink(draft)
            throw .image(path: path, "could not be kept from others: \(why)")
        }
        // link(2), not rename(2): it fails where a file has come to be in the meantime.
        guard link(draft, path) == 0 else {
            let why = errnoText(errno)
            unlink(draft)
            throw .image(path: path, why)
        }
        unlink(draft)
    }

    /// Only ever grows: qemu-img refuses to shrink without a flag that is never given. The machine must be off.
    package func grow(_ path: String, format: String, to bytes: UInt64) async throws(MachineError) {
        _ = try await qemuImage(["resize", "-q", "-f", format, "--", path, String(bytes)], about: path)
    }

    /// What is gone already is fine. A link is left: without it, what it leads to would only lie there unnoticed.
    package func delete(_ path: String) async throws(MachineError) {
        // Only a link has one.
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
            let place = target.hasPrefix("/") ? target : "\((path as NSString).deletingLastPathComponent)/\(target)"
            throw .image(
                path: path, "is a link to \(place): that would stay with all it holds, and both are left; name \(place) in spec.path, or remove the link by hand")
        }
        guard unlink(path) == 0 || errno == ENOENT else { throw .image(path: path, "could not be removed: \(errnoText(errno))") }
    }

    private func qemuImage(_ arguments: [String], about path: String) async throws(MachineError) -> [UInt8] {
        let result: ProgramResult
        do throws(ProcessError) { result = try await processes.run(Program(program, arguments), limit: limit) } catch {
            throw .program("\(error) (for disk image \(path))")
        }
        guard result.isSuccess else { throw .image(path: path, words(result)) }
        return result.standardOutput
    }

    private func words(_ result: ProgramResult) -> String {
        let text = result.errorText.trimmingCharacters(in: .whitespacesAndNewlines)
        return text.isEmpty ? "\(program) ended with \(result.end)" : text
    }
}

extension Image {
    /// Reads `qemu-img info --output=json`.
    init(readingInfo bytes: [UInt8], path: String) throws(MachineError) {
        struct Info: Decodable {
            struct Specific: Decodable {
                struct Facts: Decodable { var corrupt: Bool? }
                var data: Facts?
            }
            var format: String
            var virtualSize: UInt64
            var actualSize: UInt64?
            var fullBackingFilename: String?
            var backingFilename: String?
            var backingFilenameFormat: String?
            var formatSpecific: Specific?

            enum CodingKeys: String, CodingKey {
                case format
                case virtualSize = "virtual-size"
                case actualSize = "actual-size"
                case fullBackingFilename = "full-backing-filename"
                case backingFilename = "backing-filename"
                case backingFilenameFormat = "backing-filename-format"
                case formatSpecific = "format-specific"
            }
        }
        let info: Info
        do { info = try JSONDecoder().decode(Info.self, fromOutside: bytes) } catch {
            throw .image(path: path, "qemu-img's answer could not be read: \(error)")
        }
        self.init(
            path: path, format: info.format, virtualBytes: info.virtualSize, actualBytes: info.actualSize ?? 0,
            backing: (info.fullBackingFilename ?? info.backingFilename).map {
                Backing(path: $0, format: info.backingFilenameFormat)
            },
            isCorrupt: info.formatSpecific?.data?.corrupt ?? false)
    }
}
