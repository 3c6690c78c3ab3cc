"""What a person is shown of a run: the document, the page, the plots, the terminal."""
