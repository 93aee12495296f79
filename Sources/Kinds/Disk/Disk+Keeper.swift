import Foundation
import Host
import QEMU
import Reconcile
import Resource

extension Disk {
    package struct Keeper: Observer, Performer {
        package typealias P = Planning

        private let images: Images
        private let hypervisor: Hypervisor
        private let directory: String

        /// - Parameter directory: where images are that have no path of their own; made when absent.
        package init(images: Images, hypervisor: Hypervisor, directory: String) {
            self.images = images
            self.hypervisor = hypervisor
            self.directory = directory
        }

        package func observe(_ goal: Goal<Disk>, _ reader: Reader) async throws -> Sight {
            let path = path(of: goal.resource)
            // What stays need not be looked at, wherever it is.
            if case .absent = goal, goal.resource.spec.deletionPolicy == .retain { return Sight(path: path, image: nil) }
            let (isThere, isDirectory, bytes) = try await FileLook.at(path) { () -> (Bool, Bool, Int) in
                // Of a link what it leads to is looked at.
                var status = stat()
                guard stat(path, &status) == 0 else {
                    // What cannot be seen is not gone: a mount that broke, or that keeps others out.
                    if errno == ENOENT || errno == ENOTDIR { return (false, false, 0) }
                    throw MachineError.image(path: path, errnoText(errno))
                }
                return (true, status.st_mode & S_IFMT == S_IFDIR, Int(status.st_size))
            }
            // What no image can be is nobody's to remove.
            if case .absent = goal, isDirectory { return Sight(path: path, image: nil) }
            let namesake = namesake(path, of: goal.resource)
            // What a guest wrote at the beginning of its raw disk must not make another format of it.
            let known = goal.resource.status?.detail
            let isOwnRaw = known?.isOurs == true && known?.path ?? path == path && known?.format == Format.raw.rawValue
            guard isThere, let image = try await images.inspect(path, format: isOwnRaw ? Format.raw.rawValue : nil) else { return Sight(path: path, image: nil, namesake: namesake) }
            return Sight(path: path, image: Sight.Seen(
                format: image.format, bytes: image.virtualBytes, allocated: image.actualBytes, backing: image.backing?.path,
                isRagged: image.format == Format.raw.rawValue && bytes % 512 != 0), namesake: namesake)
        }

        /// The other Disk whose image would be there if its spec named no path.
        private func namesake(_ path: String, of disk: Resource<Disk>) -> String? {
            guard (path as NSString).deletingLastPathComponent == directory else { return nil }
            let name = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
            return name == disk.name ? nil : name
        }

        package func perform(_ action: Action) async throws {
            switch action {
            case .create(let path, let format, let bytes, let backing):
                // Disks hold what their machines keep to themselves.
                try FileManager.default.createDirectory(
                    atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                try await images.create(
                    path, format: format.rawValue, bytes: bytes, backing: backing.map { ($0.path.path, $0.format.rawValue) })
            case .grow(let path, let format, let bytes, nil):
                try await images.grow(path, format: format.rawValue, to: bytes)
            case .grow(let path, _, let bytes, let machine?):
                try await hypervisor.growDrive(of: machine, path: path, to: bytes)
            case .wipe(let path, _), .delete(let path):
                try await images.delete(path)
            }
        }

        package func strays(_ reader: Reader) async throws -> [Reconcile.Stray] {
            let known = Set(reader.list(Disk.self).map { path(of: $0) })
            guard FileManager.default.fileExists(atPath: directory) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: directory).sorted().compactMap { file in
                let path = "\(directory)/\(file)"
                if known.contains(path) || file.hasPrefix(".") { return nil }
                let name = (file as NSString).deletingPathExtension
                return Reconcile.Stray(Reference(Disk.self, name), "an image at \(path)")
            }
        }

        private func path(of disk: Resource<Disk>) -> String {
            disk.spec.path?.path ?? "\(directory)/\(disk.name).\(disk.spec.format.rawValue)"
        }
    }
}
