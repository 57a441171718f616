"""What stands before a number and says what it is."""

import re

_REFERENCE = re.compile(
    r"(?i)(?<![^\W\d_])(?:order|pedido|commande|bestell|auftrag|ordine|encomenda|invoice|factura|facture|rechnung|fattura"
    r"|fatura|ref|ticket|orden|bestel|tracking|track|suivi|seguimiento|sendung|spedizione|envío|envio|paket|parcel"
    r"|zending|kundennummer|klantnummer|customer (?:no|number|id)|case|caso|fall|serial|serien|série|serie|seriale|sku"
    r"|isbn|imei|ean|upc|gtin|part|art(?:ikel|icle|ículo|icolo|igo)?|model|modell|modelo|modèle|modello|código|code"
    r"|codice|produkt|product|producto|produit|prodotto|produto|batch|lot|lote|charge|lotto|expediente|dossier|vorgang"
    r"|pratica|processo|reservation|reserva|réservation|buchung|prenotazione|booking|colis|pacco|contract|contrato"
    r"|contrat|vertrag|contratto|version|versión|coordinates|coordenadas|koordinaten|coordonnées|coordinate|gps"
    r"|timestamp|unix)"
    r"\w{0,14}(?:[ .]{1,2}(?:number|numéro|nummer|número|numero|no|nr|núm|num|n[º°]?|id|is|es|est|ist|è|é|de|di"
    r"|do|da|du|der|mit|with|con|com|avec)(?!\w)){0,4}\W{0,4}\Z"
)
_BEFORE = 48


def before(text: str, start: int) -> str:
    """A few words before a place."""
    return text[max(0, start - _BEFORE) : start]


def is_reference(text: str, start: int) -> bool:
    """Whether the words before a number call it an order, a part or the like."""
    return text[max(0, start - 1) : start] == "#" or _REFERENCE.search(before(text, start)) is not None
