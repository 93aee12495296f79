import Foundation
import Host

/// UEFI firmware found on this host.
package struct FoundFirmware: Hashable, Codable, Sendable {
    package var code: String
    package var variablesTemplate: String

    package init(code: String, variablesTemplate: String) {
        self.code = code
        self.variablesTemplate = variablesTemplate
    }

    package var firmware: MachineDefinition.Firmware { .uefi(code: code, variablesTemplate: variablesTemplate) }
}

/// The pairs of OVMF code and variables as distributions place them, the preferred one first. 4 MiB builds
/// come before 2 MiB ones, and none is a Secure Boot build: those need SMM.
package let firmwarePlaces: [FoundFirmware] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),  // Debian, Ubuntu
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE_4M.fd", "/usr/share/edk2/ovmf/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),  // Fedora
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),  // Arch
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    ("/run/libvirt/nix-ovmf/OVMF_CODE.fd", "/run/libvirt/nix-ovmf/OVMF_VARS.fd"),  // NixOS with libvirt
    ("/run/current-system/sw/share/qemu/edk2-x86_64-code.fd", "/run/current-system/sw/share/qemu/edk2-i386-vars.fd"),
    ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),  // QEMU's own
    ("/usr/local/share/qemu/edk2-x86_64-code.fd", "/usr/local/share/qemu/edk2-i386-vars.fd"),
].map { FoundFirmware(code: $0.0, variablesTemplate: $0.1) }

/// The first place of which both files can be read; `nil` when this host has none.
package func findFirmware(among places: [FoundFirmware] = firmwarePlaces) -> FoundFirmware? {
    places.first {
        FileManager.default.isReadableFile(atPath: $0.code) && FileManager.default.isReadableFile(atPath: $0.variablesTemplate)
    }
}

/// "7.2.22" out of `qemu-system-x86_64 --version`.
/// - Throws: `MachineError.program` when QEMU is not installed or does not answer; its words say what to do.
package func qemuVersion(
    processes: any Processes, program: String = "qemu-system-x86_64"
) async throws(MachineError) -> String {
    let result: ProgramResult
    do throws(ProcessError) {
        result = try await processes.run(Program(program, ["--version"]), limit: .seconds(10))
    } catch { throw .program("\(error); install QEMU (package qemu-system-x86) or name its path") }
    let words = result.output.split(whereSeparator: { $0 == " " || $0 == "\n" })
    guard result.isSuccess, let index = words.firstIndex(of: "version"), index + 1 < words.count else {
        throw .program("\(program) --version gave no version: \(result.output)\(result.errorText)")
    }
    return String(words[index + 1])
}
