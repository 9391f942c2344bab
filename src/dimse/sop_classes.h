/// SOP classes that are not storage (PS3.4), and the well-known instances.
#pragma once

namespace rouage::dimse::sop {

inline constexpr const char* kVerification = "1.2.840.10008.1.1";
inline constexpr const char* kPatientRootFind = "1.2.840.10008.5.1.4.1.2.1.1";
inline constexpr const char* kPatientRootMove = "1.2.840.10008.5.1.4.1.2.1.2";
inline constexpr const char* kPatientRootGet = "1.2.840.10008.5.1.4.1.2.1.3";
inline constexpr const char* kStudyRootFind = "1.2.840.10008.5.1.4.1.2.2.1";
inline constexpr const char* kStudyRootMove = "1.2.840.10008.5.1.4.1.2.2.2";
inline constexpr const char* kStudyRootGet = "1.2.840.10008.5.1.4.1.2.2.3";
inline constexpr const char* kCommitment = "1.2.840.10008.1.20.1";
inline constexpr const char* kCommitmentInstance = "1.2.840.10008.1.20.1.1";
inline constexpr const char* kPerformedStep = "1.2.840.10008.3.1.2.3.3";
inline constexpr const char* kInstanceAvailability = "1.2.840.10008.5.1.4.33";

}  // namespace rouage::dimse::sop
