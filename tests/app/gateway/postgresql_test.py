"""The same gateway on PostgreSQL: run by `scripts/services run`, which gives ROUAGE_POSTGRESQL."""
import os
import pathlib
import subprocess
import sys
import unittest

import peers
import samples
from gateway import SKIPPED, Gateway, store_command, test_program, work_folder

DATABASE = os.environ.get("ROUAGE_POSTGRESQL", "")


class OnPostgreSql(unittest.TestCase):
    def test_1_a_film_goes_its_whole_way_and_survives_a_kill(self):
        folder = work_folder("postgresql")
        archive = peers.StoreScp(folder / "archive", "ARCHIVE").start()
        gateway = Gateway(folder / "rouage", {"store": {"database": "postgresql", "postgresql": DATABASE},
                                              "destination": [archive.destination()]})
        try:
            gateway.start()
            film = samples.film(folder / "film", "on-postgresql", PatientName="Müller^Zoé")
            slices = samples.ct_series(folder / "ct", "ct-on-postgresql", 30)
            peers.storescu(gateway.dimse_port, film.path, *[s.path for s in slices])
            gateway.kill()
            gateway.start()
            self.assertEqual(len(gateway.wait_for_items(film.study)), 1)
            results = set(gateway.instances(film.study)) - {film.instance}
            self.assertGreater(len(results), 2)
            self.assertEqual(set(gateway.instances(slices[0].study)), {s.instance for s in slices})
            found = gateway.qido("/studies", PatientName="m*ller*", fuzzymatching="true")
            self.assertEqual([row["0020000D"] for row in found], [film.study])
            self.assertEqual(gateway.stop(), 0)
            code, output = store_command(gateway, "verify", "--config", gateway.folder / "rouage.toml")
            self.assertEqual(code, 0, output)
        finally:
            gateway.kill()
            archive.stop()

    def test_2_nothing_is_lost(self):
        # A database of its own: the store of the first test is no part of this one.
        subprocess.run(["psql", "-q", DATABASE, "-c", "DROP SCHEMA public CASCADE; CREATE SCHEMA public"], check=True)
        chaos = pathlib.Path(__file__).with_name("chaos.py")
        done = subprocess.run([sys.executable, "-B", str(chaos), "--kills", "4", "--seed", "4", "--postgresql", DATABASE],
                              capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])


if __name__ == "__main__":
    if not DATABASE:
        print("skipped: ROUAGE_POSTGRESQL is not set (scripts/services run ...)")
        raise SystemExit(SKIPPED)
    test_program(unittest.main)
