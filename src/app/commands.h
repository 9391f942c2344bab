/// The commands of `rouage`. Each function adds one to the program; its callback sets the exit code.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace rouage::app {

void add_analyze(CLI::App& program, int& exit_code);
void add_work(CLI::App& program, int& exit_code);
void add_model(CLI::App& program, int& exit_code);
void add_phantom(CLI::App& program, int& exit_code);
/// Of the group `phantom`.
void add_phantom_ct(CLI::App& group, int& exit_code);
void add_doctor(CLI::App& program, int& exit_code);
void add_serve(CLI::App& program, int& exit_code);
void add_status(CLI::App& program, int& exit_code);
void add_simulate_load(CLI::App& program, int& exit_code);
void add_send(CLI::App& program, int& exit_code);
void add_echo(CLI::App& program, int& exit_code);
void add_receive(CLI::App& program, int& exit_code);
void add_rules(CLI::App& program, int& exit_code);
void add_store(CLI::App& program, int& exit_code);
void add_evidence(CLI::App& program, int& exit_code);
void add_segment(CLI::App& program, int& exit_code);
void add_readers(CLI::App& program, int& exit_code);

/// "rouage 0.1.0 (ONNX Runtime 1.30.0)"
std::string version_text();

}  // namespace rouage::app
