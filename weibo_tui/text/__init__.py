"""Posts as text: cleaning, emoticons, and making text safe for a terminal and a spreadsheet."""
