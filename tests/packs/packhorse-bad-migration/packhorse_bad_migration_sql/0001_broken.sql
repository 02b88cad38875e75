CREATE TABEL oops ();
