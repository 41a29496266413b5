from dataclasses import replace

from medrec.domain.ids import CaseId
from medrec.domain.series import FileRecord, FileStatus
from medrec.io.ledger import FileLedger

ONE = FileRecord("a.dcm", FileStatus.SCORED, CaseId("c-1"))
TWO = FileRecord("=b.dcm", FileStatus.REFUSED, CaseId("c-2"), "gap", "slice 3, of 9")


def test_rows_of_finished_cases_come_back_after_a_kill(tmp_path):
    ledger = FileLedger(tmp_path)
    ledger.append([ONE])
    ledger.append([TWO])

    assert [ONE] == FileLedger(tmp_path).read({CaseId("c-1")})


def test_a_torn_row_is_not_read(tmp_path):
    FileLedger(tmp_path).append([ONE])
    with (tmp_path / "files.csv.part").open("a") as stream:
        stream.write("b.dcm,c-2,sco")

    assert [ONE] == FileLedger(tmp_path).read({CaseId("c-1"), CaseId("c-2")})


def test_a_finished_table_reads_back_as_it_was_written(tmp_path):
    FileLedger(tmp_path).finish([TWO, ONE])

    back = FileLedger(tmp_path).read({CaseId("c-1"), CaseId("c-2")})

    assert {ONE, TWO} == set(back)
    assert not (tmp_path / "files.csv.part").exists()


def test_the_last_row_of_a_file_that_was_tried_again_counts(tmp_path):
    again = FileRecord("a.dcm", FileStatus.FAILED, CaseId("c-1"), "io", "vanished")
    ledger = FileLedger(tmp_path)
    ledger.append([again])
    ledger.append([ONE])

    assert [ONE] == ledger.read({CaseId("c-1")})


def test_rows_after_a_torn_one_are_whole(tmp_path):
    with (tmp_path / "files.csv.part").open("w") as stream:
        stream.write("b.dcm,c-2,sco")
    ledger = FileLedger(tmp_path)

    ledger.append([ONE])

    assert [ONE] == ledger.read({CaseId("c-1"), CaseId("c-2")})


def test_a_name_with_a_carriage_return_stays_one_file(tmp_path):
    odd = FileRecord("a\rb.dcm", FileStatus.FAILED, CaseId("c-1"), "io", "vanished")
    ledger = FileLedger(tmp_path)
    ledger.append([odd])
    ledger.finish(ledger.read({CaseId("c-1")}))
    ledger.append([replace(odd, status=FileStatus.SCORED, code="", detail="")])

    back = ledger.read({CaseId("c-1")})

    assert [("a\\rb.dcm", FileStatus.SCORED)] == [(row.path, row.status) for row in back]
