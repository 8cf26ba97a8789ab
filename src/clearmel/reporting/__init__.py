"""Results for people: tables, pictures and the HTML report."""
