"""Tell: parameters, results, figures and the book made of them."""
