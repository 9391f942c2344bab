/// The self test of an installation.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace rouage::app {

struct DoctorLine {
  std::string check;  ///< stable name: "dictionary", "left_is_left_sr", ...
  bool passed = false;
  std::string detail;
};

/// How right this machine's clock is: audit trails and the order of events depend on it.
struct ClockState {
  std::optional<double> offset_s;    ///< what must be added to our clock; absent: not known
  double uncertainty_s = 0;          ///< of the offset
  std::optional<bool> synchronised;  ///< absent: not known
  std::string source, detail;        ///< who says so; why it is not known
};
/// More than this is said to be wrong (PS3.15 annex G asks for better; HL7 and DICOM times are read by people).
inline constexpr double kClockTolerance_s = 1.0;
/// ntp_server: "host" or "host:port", asked once by SNTP (RFC 4330); absent or empty: the kernel's own discipline
/// (adjtimex). Never throws; the host's name is looked up by the system, which has its own time limit.
ClockState clock_state(const std::optional<std::string>& ntp_server, double timeout_s = 2);
std::string clock_text(const ClockState& state);  ///< one line for people

/// Installation: dictionary, ONNX Runtime, packages, free disk, clock. `ntp_server` as in clock_state; a server that
/// was named and does not answer, or says that the clock is wrong, fails; a kernel that knows nothing does not.
std::vector<DoctorLine> examine_installation(const std::filesystem::path& scratch,
                                             const std::optional<std::string>& ntp_server = {});
/// A phantom with a marker and a nodule at the patient's left, mirrored and not, goes through writer, reader, cog,
/// region and every result object: left must stay left. `scratch`: a folder that is made and removed.
std::vector<DoctorLine> examine_orientation(const std::filesystem::path& scratch);

}  // namespace rouage::app
